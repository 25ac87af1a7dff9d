"""A document as a program edits it, together with others: the client's side."""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import Callable
from typing import Any

from hubbub import BadMessage, Client, ConnectionState, HubbubError, InternalError, Position, ProtocolError, TryLater
from hubbub.client.answers import error_from
from hubbub.collab.changes import TRANSFORM
from hubbub.collab.editing import EditedText
from hubbub.collab.events import Callbacks, Event, Rejected, Status
from hubbub.protocol.messages import (
    CommandMessage,
    CursorMessage,
    ErrorMessage,
    InitMessage,
    JoinedMessage,
    JoinMessage,
    Message,
    OperationMessage,
    OperationsMessage,
    UnsubscribedMessage,
)
from hubbub.protocol.payloads import Command, Cursor, OpenDocument, Operation, Selection

log = logging.getLogger("hubbub.collab")

_PATIENCE = 10.0
"""Seconds after which what has no answer is said again."""


class Document(EditedText):
    """Made by `open_document`. It lives on while connections come and go; edits wait for the next one.

    Positions are indexes into `text`, a Python string. Callbacks (`on`): `change` gets a `ChangeSet` of what others
    did to the text, right after it; `status` a `Status`; `cursors` the `pointers`; `merged` the text after edits
    were brought over to a document that nobody can say the history of; `rejected` a `Rejected`.
    """

    def __init__(self, client: Client, id: str, *, name: str = "", colour: str = "", author: str = "") -> None:
        """`name` and `colour` are shown to others beside the cursor; the user's name by default.

        `author` is the `client_id` of an earlier document, to be the same author: 8 to 64 of 0-9 a-f.
        """
        super().__init__(author, Callbacks(id))
        self.id = id
        self._client = client
        self._channel = f"doc:{id}"
        self._loop = asyncio.get_running_loop()
        self._name, self._colour = name, colour
        self._opened: asyncio.Future[None] = self._loop.create_future()
        self._settled = asyncio.Event()
        self._error: HubbubError | None = None
        self._is_joined = False
        self._is_closed = False
        self._retry: asyncio.TimerHandle | None = None
        self._join_id = self._flight_id = ""
        self._known_seq = 0
        self._status = Status("opening")
        self._detach = [client.attach(self._channel, self._received), client.on("state", self._moved)]
        self._join()

    # --- Looking ---------------------------------------------------------------------------------------

    @property
    def status(self) -> Status:
        return self._status

    def on(self, event: Event, callback: Callable[[Any], None]) -> Callable[[], None]:
        """Calls back for every event of a kind; what is returned takes the callback away again."""
        return self._callbacks.add(event, callback)

    async def opened(self) -> None:
        """Waits until the text is here. Raises what the server answers (`not_found`, `forbidden`)."""
        await asyncio.shield(self._opened)

    async def saved(self) -> None:
        """Waits until the log has every edit. Raises what closed the document, if that came first."""
        while self._replica.pending or not self._opened.done():
            if self._error is not None:
                raise self._error
            self._settled.clear()
            await self._settled.wait()

    async def close(self) -> None:
        """Edits that are not saved are given up: wait for `saved` before. Harmless when repeated."""
        if not self._is_closed:
            if self._is_joined:
                self._client.send(
                    CommandMessage(
                        message_id=str(uuid.uuid4()),
                        timestamp=time.time_ns() // 1_000_000,
                        sender=self._client.user,
                        channel=self._channel,
                        payload=Command("leave"),
                    )
                )
            self._end(None)

    # --- Coming and going ------------------------------------------------------------------------------

    def _moved(self, state: ConnectionState) -> None:
        if state.phase == "connected":
            self._join()
        elif state.phase in ("closed", "gave_up"):
            reason = state.reason
            self._end(reason if isinstance(reason, HubbubError) else HubbubError("the client is closed"))
        elif self._is_joined or self._status.phase != "offline":
            self._is_joined = False
            self._stop_waiting()
            self._tell_status()

    def _join(self, *, anew: bool = False) -> None:
        """Opens the document over this connection: from where it is, or `anew`."""
        self._is_joined = False
        replica = self._replica
        message = JoinMessage(channel=self._channel, document_id=self.id)
        if replica.client_id:
            message.client_id = replica.client_id
        if replica.epoch and not anew:
            message.payload = OpenDocument(Position(replica.epoch, replica.revision))
        if self._client.send(message):
            self._join_id = str(message.message_id)
            self._wait(_PATIENCE, self._join)
        self._tell_status()

    def _received(self, message: Message) -> None:
        if self._is_closed:
            return
        if isinstance(message, OperationsMessage):
            if self._is_joined:
                self._take(message)
        elif isinstance(message, CursorMessage):
            if self._is_joined and self._pointers.take(message):
                self._callbacks.tell("cursors", self.pointers)
        elif isinstance(message, JoinedMessage):
            self._joined(message)
        elif isinstance(message, InitMessage):
            self._begin(message)
        elif isinstance(message, UnsubscribedMessage):
            # Another connection is this author now: this one is to be somebody else.
            self._replica.client_id = ""
            self._join(anew=True)
        elif isinstance(message, ErrorMessage):
            self._refused(error_from(message))

    def _joined(self, message: JoinedMessage) -> None:
        details = message.payload
        self._replica.begin(message.client_id, details.seq)
        self._known_seq = details.seq
        self._stop_waiting()
        if details.recovered:
            self._is_joined = True
            self._pointers.clear()
            flight = self._replica.flight
            if flight is not None and details.seq < flight.seq:
                self._send_flight()
            self._go_on()

    def _begin(self, message: InitMessage) -> None:
        document = message.payload.document
        if document.transform != TRANSFORM:
            self._end(BadMessage("unsupported_version", f"the server speaks {document.transform}"))
            return
        replica = self._replica
        was_merged = replica.reset(document.content, document.epoch, document.revision, self._known_seq)
        self._pointers.begin(message.payload.cursors)
        self._is_joined = True
        if not self._opened.done():
            self._opened.set_result(None)
        self._go_on()
        self._caret.show_soon()
        if was_merged:
            self._callbacks.tell("merged", self.text)
        self._callbacks.tell("cursors", self.pointers)

    # --- Operations ------------------------------------------------------------------------------------

    def _take(self, message: OperationsMessage) -> None:
        try:
            arrived = self._replica.receive(message.payload.operations)
        except (BadMessage, ValueError) as error:
            log.warning("document %s is opened anew: %s", self.id, error)
            self._join(anew=True)
            return
        if arrived:
            self._stop_waiting()
            self._go_on()
            self._caret.show_soon()

    def _go_on(self) -> None:
        """Sends the next operation, if there is one and none is in flight."""
        if self._is_joined and self._replica.depart() is not None:
            self._send_flight()
        self._tell_status()

    def _send_flight(self) -> None:
        flight, replica = self._replica.flight, self._replica
        if flight is None or not self._is_joined:
            return
        payload = Operation(flight.changes.to_json(), flight.revision, flight.seq, replica.epoch)
        message = OperationMessage(channel=self._channel, payload=payload)
        if self._client.send(message):
            self._flight_id = str(message.message_id)
        self._wait(_PATIENCE, self._send_flight)

    def _refused(self, error: ProtocolError) -> None:
        """The server refused an operation, or the join; of anything else nothing depends on it."""
        if error.message_id == self._join_id and not self._is_joined:
            if isinstance(error, TryLater | InternalError):
                self._wait(_after(error), self._join)
            else:
                self._end(error)
        elif not self._is_joined:
            return
        elif error.code == "not_joined":
            self._join()
        elif error.message_id != self._flight_id:
            log.debug("document %s: %s", self.id, error)
        elif isinstance(error, TryLater | InternalError):
            self._wait(_after(error), self._send_flight)
        elif error.code == "not_found":
            # `joined` and `init` come next.
            self._is_joined = False
            self._wait(_PATIENCE, self._join)
        else:
            changes = self._replica.take_aside()
            log.warning("document %s refuses edits: %s", self.id, error)
            if changes is not None:
                self._callbacks.tell("rejected", Rejected(changes, error))
            self._join(anew=True)

    def _why_closed(self) -> HubbubError | None:
        return (self._error or HubbubError(f"document {self.id} is closed")) if self._is_closed else None

    # --- Cursor ----------------------------------------------------------------------------------------

    def _send_cursor(self) -> None:
        selection, confirmed = self._caret.selection, self._replica.to_confirmed
        if selection is None or not self._is_joined or self._is_closed:
            return
        payload = Cursor(Selection(confirmed(selection.anchor), confirmed(selection.head)), self._replica.revision)
        payload.name = (self._name or self._client.user)[:100]
        if self._colour:
            payload.colour = self._colour[:32]
        self._client.send(CursorMessage(channel=self._channel, payload=payload))

    # --- Telling ---------------------------------------------------------------------------------------

    def _tell_status(self) -> None:
        pending = self._replica.pending
        if self._is_closed:
            status = Status("closed", pending, self._error)
        elif self._client.state.phase != "connected":
            status = Status("offline", pending)
        elif not self._opened.done():
            status = Status("opening", pending)
        else:
            status = Status("saving" if pending else "saved", pending)
        if not pending or self._is_closed:
            self._settled.set()
        if status != self._status:
            self._status = status
            self._callbacks.tell("status", status)

    def _wait(self, seconds: float, then: Callable[[], None]) -> None:
        self._stop_waiting()
        self._retry = self._loop.call_later(seconds, then)

    def _stop_waiting(self) -> None:
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None

    def _end(self, error: HubbubError | None) -> None:
        if self._is_closed:
            return
        self._is_closed, self._is_joined = True, False
        self._error = error
        self._stop_waiting()
        self._caret.stop()
        for detach in self._detach:
            detach()
        if not self._opened.done():
            self._opened.set_exception(error or HubbubError(f"document {self.id} was closed"))
            self._opened.exception()
        self._tell_status()


def _after(error: ProtocolError) -> float:
    return 1.0 if error.retry_after_ms is None else error.retry_after_ms / 1000

"""Documents of an application: the channels `doc:ID`, and what can be asked of them from the server's side."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Unpack, cast

from msgspec import UNSET

from hubbub import (
    BadMessage,
    ConfigurationError,
    Conflict,
    Hubbub,
    HubbubError,
    InternalError,
    Participant,
    Position,
    ProtocolError,
    TryLater,
)
from hubbub.collab.archive import Missing, answer
from hubbub.collab.audience import Audience
from hubbub.collab.authority import Authority
from hubbub.collab.authors import Authors
from hubbub.collab.company import Company
from hubbub.collab.forwarding import Forwarded
from hubbub.collab.history import History, answer_history, without_owners
from hubbub.collab.live import LiveDocument, Submission
from hubbub.collab.options import DocumentOptions, Options
from hubbub.collab.sharing import Peers
from hubbub.collab.tasks import Tasks
from hubbub.collab.validation import read_changes
from hubbub.collab.window import Edit
from hubbub.ports import DocumentLog, Snapshot, Snapshots
from hubbub.protocol.messages import (
    AckMessage,
    CommandMessage,
    CursorMessage,
    HistoryMessage,
    JoinMessage,
    Message,
    OperationMessage,
)

log = logging.getLogger("hubbub.collab")

_MOST_ASKED = 64
"""Questions about history that wait for their answer."""

_MOST_FORWARDED = 1024
"""Operations of other nodes that wait until their document was read, about; others come again."""


class Documents:
    """Implements `hubbub.ChannelHandler` for the `doc` channels of an application.

        app = Hubbub(log="sqlite:///hub.db")
        documents = Documents(app)

    Logs and snapshots are kept where the application keeps its own, or in `store` and `snapshots`. Options are
    those of `DocumentOptions`. Raises `ConfigurationError` where no documents can be kept.
    """

    def __init__(
        self,
        app: Hubbub,
        *,
        store: DocumentLog | None = None,
        snapshots: Snapshots | None = None,
        **options: Unpack[Options],
    ) -> None:
        chosen: Any = store or app.stores.log
        if not (chosen.conditional and hasattr(chosen, "trim")):
            raise ConfigurationError("documents", "this log cannot keep documents: name another place for them")
        kept = snapshots or app.stores.snapshots
        if kept is None:
            raise ConfigurationError("documents", "there is no place for snapshots: give Documents some")
        self._app = app
        self._options = DocumentOptions(**options)
        self._peers = _peers(app, chosen)
        self._authority = Authority(
            cast(DocumentLog, chosen),
            kept,
            self._options,
            wall_ms=app.hub.wall_ms,
            peers=self._peers,
            wanted=self._take_forwarded,
        )
        self._audiences: dict[str, Audience] = {}
        self._tasks = Tasks()
        self._asked = 0
        self._looking = asyncio.Lock()
        app.channel("doc", self)

    # --- The server's side -----------------------------------------------------------------------------

    async def create(self, id: str, text: str = "") -> None:
        """A new document; line breaks of all kinds become `\\n`. Raises `Conflict` (`already_exists`)."""
        archive = self._authority.archive
        head = await answer(archive.store.head(f"doc:{id}"))
        if head.offset or await answer(archive.snapshots.latest(id)) is not None or self._authority.find(id):
            raise Conflict("already_exists", f"document {id} exists", field="channel")
        normal = text.replace("\r\n", "\n").replace("\r", "\n")
        now = self._app.hub.wall_ms() / 1000
        await archive.save(id, Snapshot(head.epoch, 0, now, normal.encode(), Authors().encode()))

    async def names(self) -> Sequence[str]:
        """The documents that there is a snapshot of, and those in memory."""
        saved = await answer(self._authority.archive.snapshots.names())
        return sorted({*saved, *self._audiences})

    async def text(self, id: str) -> str:
        """The document's text as it is. Raises `Conflict` (`not_found`), `TryLater`."""
        return await self.text_at(id, 2**53)

    async def text_at(self, id: str, revision: int) -> str:
        """Its text as it was at a revision. Raises `Conflict` (`not_found`) for one that is not kept."""
        history = await self._history(id)
        return (await history.text_at(revision))[1]

    async def edits(self, id: str, *, after: int = 0, limit: int = 300) -> Sequence[Edit]:
        """Who changed what: the oldest edits after a revision."""
        history = await self._history(id)
        return without_owners((await history.edits(after=after, limit=limit)).edits)

    async def export(self, id: str) -> bytes:
        """Everything that is kept of a document, as JSON: its text, and its operations from `start` on."""
        history = await self._history(id)
        return await history.export()

    # --- What the hub says -----------------------------------------------------------------------------

    def received(self, peer: Participant, channel: str, message: Message) -> None:
        id = channel.removeprefix("doc:")
        if isinstance(message, OperationMessage):
            self._submit(peer, id, message)
        elif isinstance(message, CursorMessage):
            audience = self._audience(id)
            audience.cursors.place(audience.require(peer), message.payload)
        elif isinstance(message, JoinMessage):
            if message.document_id not in (UNSET, id):
                raise BadMessage("invalid_message", "is not the channel's", field="documentId")
            payload = message.payload
            position = None if payload is UNSET or payload.position is UNSET else payload.position
            self._join(peer, id, _value(message.client_id), position, _value(message.message_id))
        elif isinstance(message, HistoryMessage):
            self._audience(id).require(peer)
            if self._asked >= _MOST_ASKED:
                raise TryLater("too_many_pending", "too many ask for history", retry_after_ms=500)
            self._asked += 1
            self._tasks.start(self._answer_history(peer, id, message))
        elif isinstance(message, CommandMessage):
            self._command(peer, id, message)

    def ready(self, peer: Participant, positions: Mapping[str, Position] | None) -> None:
        for channel, client_id in list(peer.opened.items()):
            id = channel.removeprefix("doc:")
            if positions is None:
                audience = self._audiences.get(id)
                if audience is not None:
                    audience.ready(peer)
            elif channel in positions:
                self._join(peer, id, client_id, positions[channel], None)

    def away(self, peer: Participant) -> None:
        for channel in peer.opened:
            audience = self._audiences.get(channel.removeprefix("doc:"))
            if audience is not None:
                audience.leave(peer)

    def ended(self, peer: Participant) -> None:
        self.away(peer)

    async def drain(self, seconds: float) -> None:
        self._tasks.cancel()
        await self._authority.drain(seconds)

    # --- Inside ----------------------------------------------------------------------------------------

    def _submit(self, peer: Participant, id: str, message: OperationMessage) -> None:
        audience = self._audience(id)
        reader = audience.require(peer)
        payload = message.payload
        document = audience.document
        changes = read_changes(payload.operation)
        submission = Submission(
            changes=changes,
            revision=payload.revision,
            client_id=reader.client_id,
            seq=payload.seq,
            user=peer.user.name,
            peer=peer,
            message_id=_value(message.message_id),
            parts=payload.operation,
        )
        if payload.epoch is not UNSET and payload.epoch != document.epoch:
            audience.outdated(submission)
            return
        self._authority.submit(document, submission)

    def _command(self, peer: Participant, id: str, message: CommandMessage) -> None:
        command = message.payload
        assert command is not UNSET
        if command.action == "join":
            position = None if command.position is UNSET else command.position
            self._join(peer, id, None, position, message.message_id)
            return
        channel = f"doc:{id}"
        if channel not in peer.opened:
            raise Conflict("not_joined", "the document is not open", field="channel")
        audience = self._audiences.get(id)
        if audience is not None:
            audience.leave(peer)
        peer.close(channel)
        peer.send(AckMessage(message_id=message.message_id, channel=channel))

    def _join(
        self, peer: Participant, id: str, client_id: str | None, position: Position | None, message_id: str | None
    ) -> None:
        """Answers when the document is in memory."""
        audience = self._audiences.get(id)
        if audience is not None and self._authority.find(id) is audience.document and self._peers is None:
            self._enter(peer, audience, client_id, position, message_id)
        else:
            self._tasks.start(self._join_later(peer, id, client_id, position, message_id))

    async def _join_later(
        self, peer: Participant, id: str, client_id: str | None, position: Position | None, message_id: str | None
    ) -> None:
        try:
            document = await self._open(id, create=self._app.settings.rooms_are_open)
            # What the author had acknowledged by another node is to be known here, too.
            await self._authority.catch_up(document)
            if peer.is_present:
                self._enter(peer, self._audiences[id], client_id, position, message_id)
        except Exception as error:
            _refuse(peer, error, message_id)

    def _enter(
        self,
        peer: Participant,
        audience: Audience,
        client_id: str | None,
        position: Position | None,
        message_id: str | None,
    ) -> None:
        admitted = audience.document.authors.admit(peer.user.name, client_id or peer.opened.get(audience.channel))
        peer.open(audience.channel, admitted)
        audience.join(peer, admitted, position, message_id)

    async def _open(self, id: str, *, create: bool) -> LiveDocument:
        return await self._authority.open(id, self._make_audience, create=create)

    def _make_audience(self, document: LiveDocument) -> Audience:
        read = partial(self._read, document)
        audience = self._audiences[document.id] = Audience(document, read, self._forget)
        if self._peers is not None:
            audience.company = Company(document.id, self._peers, audience)
            audience.cursors.tell = audience.company.point
            self._tasks.start(audience.company.open())
        return audience

    def _forget(self, audience: Audience) -> None:
        """The document is not in memory any more."""
        if self._audiences.get(audience.document.id) is audience:
            del self._audiences[audience.document.id]

    async def _read(self, document: LiveDocument, after: int) -> Sequence[Edit]:
        kept = await self._authority.archive.read(document.id, document.epoch, after)
        if kept.start > after or not kept.edits:
            raise Missing(f"document {document.id} has no revision {after} any more")
        return kept.edits

    def _take_forwarded(self, mail: Forwarded) -> None:
        """For a document that this node owned when it had it in memory last."""

        async def work() -> None:
            try:
                self._authority.submit_forwarded(await self._open(mail.document, create=False), mail)
            except HubbubError as error:
                log.warning("document %s was not opened for another node: %s", mail.document, error)

        if len(self._tasks) < _MOST_FORWARDED:
            self._tasks.start(work())

    def _audience(self, id: str) -> Audience:
        """Raises `Conflict` (`not_joined`) for a document that nobody has open here."""
        audience = self._audiences.get(id)
        if audience is None:
            raise Conflict("not_joined", "open the document first", field="channel")
        return audience

    async def _history(self, id: str) -> History:
        document = await self._open(id, create=False)
        await self._authority.catch_up(document)
        return History(self._authority.archive, document)

    async def _answer_history(self, peer: Participant, id: str, message: HistoryMessage) -> None:
        try:
            # One after the other: each may read very much, and nobody who edits is to notice.
            async with self._looking:
                peer.send(await answer_history(await self._history(id), message))
        except Exception as error:
            _refuse(peer, error, _value(message.message_id))
        finally:
            self._asked -= 1


def _peers(app: Hubbub, store: Any) -> Peers | None:
    """By what the nodes agree on who owns a document; None where there is one node. Raises `ConfigurationError`."""
    stores = app.stores
    if not hasattr(store, "follow") and not hasattr(stores.log, "follow"):
        return None
    if stores.registry is None or stores.mailbox is None:
        reason = "nodes share the log, and have no registry and mailbox to agree on who owns a document: set `backend`"
        raise ConfigurationError("documents", reason)
    if not hasattr(store, "follow"):
        reason = "nodes share the log, and this store tells none of them what another appended: give a MailedLog"
        raise ConfigurationError("documents", reason)
    return Peers(stores.registry, stores.mailbox, app.hub.run)


def _refuse(peer: Participant, error: Exception, message_id: str | None) -> None:
    if not isinstance(error, ProtocolError):
        if isinstance(error, HubbubError):
            log.warning("a document cannot be had: %s", error)
            error = TryLater("unavailable", "the document cannot be had now", retry_after_ms=1000)
        else:
            log.error("a document cannot be had", exc_info=error)
            error = InternalError()
    if message_id is not None:
        error.message_id = message_id
    peer.refuse(error)


def _value(given: Any) -> Any:
    return None if given is UNSET else given

"""Kinds of channel that the application serves itself, as documents are: their messages go to a handler.

The hub keeps the sessions, the permissions and the sockets; what is said in such a channel, and what is in its
log, is the handler's affair.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Protocol

from msgspec import UNSET

from hubbub.errors import BadMessage, Conflict, Denied, ProtocolError
from hubbub.hub.connection import State
from hubbub.hub.session import Session
from hubbub.hub.users import User
from hubbub.protocol.channels import Channel
from hubbub.protocol.messages import AckMessage, Message
from hubbub.protocol.payloads import Position
from hubbub.protocol.wire import Profile

if TYPE_CHECKING:
    from hubbub.hub.hub import Hub


_LARGE = 64 * 1024
"""Bytes above which frames are more than what goes over a connection all the time."""


class Participant:
    """One session, as a handler sees it: the same object over all its connections, and after a restart another one.

    `opened` are its channels of such kinds, each with a note of the handler's, kept with the session.
    """

    __slots__ = ("_hub", "_session", "opened")

    def __init__(self, hub: Hub, session: Session, opened: dict[str, str] | None = None) -> None:
        self._hub = hub
        self._session = session
        self.opened = opened or {}

    @property
    def user(self) -> User:
        return self._session.user

    @property
    def key(self) -> str:
        """Names the session; it is no secret."""
        return self._session.key

    @property
    def is_present(self) -> bool:
        """Whether it can be sent anything."""
        return self._session.is_present

    @property
    def is_ready(self) -> bool:
        """Whether what it is sent goes out: if not, send nothing more until `ready` is called."""
        connection = self._session.connection
        return connection is not None and connection.state is State.OPEN and not connection.paused

    @property
    def profile(self) -> Profile | None:
        """How it speaks: what was encoded for one peer can be pushed to every other one with the same."""
        connection = self._session.connection
        return None if connection is None else connection.profile

    def encode(self, message: Message) -> bytes:
        """The message as ready frames for this peer's profile; empty for one without a connection."""
        profile = self.profile
        return b"" if profile is None else self._hub.wire.frame(profile, message)

    def push(self, frames: bytes, count: int = 1) -> None:
        """Sends ready frames, `count` messages, when the loop's turn ends; nothing to one who is away.

        However large they are: a peer that is not ready yet is not sent away for what it was given when it was.
        """
        connection = self._session.connection
        if connection is not None and connection.state is State.OPEN and frames:
            if len(frames) > _LARGE and not connection.paused:
                # What was sent before has drained.
                connection.granted = len(frames)
            self._hub.outbox.push(connection, frames, count)

    def send(self, message: Message) -> None:
        """Sends a message to this peer alone."""
        self.push(self.encode(message))

    def refuse(self, error: ProtocolError) -> None:
        """Answers with an error."""
        connection = self._session.connection
        if connection is not None and connection.state is State.OPEN:
            self._hub.outbox.send_error(connection, error)

    def open(self, channel: str, note: str) -> None:
        """The channel is one of the session's from now on. Raises `Denied` (`forbidden`) for one too many."""
        session, most = self._session, self._hub.settings.max_subscriptions
        if channel not in self.opened:
            if len(self.opened) + len(session.rooms) + len(session.subscriptions or ()) >= most:
                raise Denied("forbidden", f"a session has at most {most} channels", field="channel")
        elif self.opened[channel] == note:
            return
        self.opened[channel] = note
        self._hub.vault.touch(session)

    def close(self, channel: str) -> None:
        """It is none of the session's any more."""
        if self.opened.pop(channel, None) is not None:
            self._hub.vault.touch(self._session)


class ChannelHandler(Protocol):
    """Serves a kind of channel. Nothing here blocks or waits: what takes time goes into a task."""

    def received(self, peer: Participant, channel: str, message: Message) -> None:
        """A client's message, which it is permitted to send. Raises `ProtocolError` to have it refused."""
        ...

    def ready(self, peer: Participant, positions: Mapping[str, Position] | None) -> None:
        """The peer can be sent to again: its socket drains, or its session came back, then with its positions."""
        ...

    def away(self, peer: Participant) -> None:
        """The peer's connection ended; its session may come back."""
        ...

    def ended(self, peer: Participant) -> None:
        """The peer's session is no more."""
        ...

    async def drain(self, seconds: float) -> None:
        """The server stops, and its stores are closed when this returns, soon."""
        ...


class Kinds:
    """The handlers by kind. The hub has the `doc` channels for this, and no others."""

    SERVED = frozenset({"doc"})

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._handlers: dict[str, ChannelHandler] = {}

    def __bool__(self) -> bool:
        return bool(self._handlers)

    def all(self) -> Collection[ChannelHandler]:
        return self._handlers.values()

    def serve(self, kind: str, handler: ChannelHandler) -> None:
        self._handlers[kind] = handler

    def is_served(self, kind: str) -> bool:
        """Whether channels of this kind are a handler's affair."""
        return kind in self._handlers

    def receive(self, session: Session, channel: Channel, message: Message) -> None:
        """Hands a permitted message to whoever serves its channel. Raises `ProtocolError`."""
        handler = self.require(channel)
        handler.received(self._peer(session), channel.text, message)

    def require(self, channel: Channel) -> ChannelHandler:
        """Who serves the channel. Raises `BadMessage` for a kind that nobody can, `Conflict` where nobody does."""
        if channel.kind not in self.SERVED:
            raise BadMessage("invalid_channel", "this is for documents", field="channel")
        handler = self._handlers.get(channel.kind)
        if handler is None:
            raise Conflict("not_found", "documents are not enabled on this server", field="channel")
        return handler

    def refuse(self, channel: Channel) -> None:
        """Raises what becomes of an ordinary message to such a channel."""
        self.require(channel)
        raise BadMessage("invalid_channel", "only operations and cursors go to a document", field="channel")

    def drained(self, session: Session) -> None:
        """The session's socket drains again."""
        if session.peer is not None:
            for handler in self.all():
                handler.ready(session.peer, None)

    def returned(self, session: Session, positions: Mapping[str, Position]) -> None:
        """The session came back."""
        if session.peer is not None:
            for handler in self.all():
                handler.ready(session.peer, positions)

    def away(self, session: Session) -> None:
        if session.peer is not None:
            for handler in self.all():
                handler.away(session.peer)

    def ended(self, session: Session) -> None:
        if session.peer is not None:
            for handler in self.all():
                handler.ended(session.peer)

    def revive(self, session: Session, opened: dict[str, str]) -> None:
        """A session that was kept elsewhere has these channels open."""
        if opened:
            session.peer = Participant(self._hub, session, opened)

    def _peer(self, session: Session) -> Participant:
        if session.peer is None:
            session.peer = Participant(self._hub, session)
        return session.peer


def acknowledge(peer: Participant, channel: str, message: Message) -> None:
    """Answers a request that has no other answer, if it asks for one."""
    if message.message_id is not UNSET:
        peer.send(AckMessage(message_id=message.message_id, channel=channel))

"""Sessions and rooms beyond this process: what the hub asks of whoever keeps them, and what is kept of each."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

import msgspec
from msgspec import Struct

from hubbub.errors import ProtocolError
from hubbub.hub.feeds import rest_of
from hubbub.hub.session import Rest, Session
from hubbub.hub.users import User
from hubbub.protocol.payloads import Position
from hubbub.protocol.versions import HIGHEST, parse_version

if TYPE_CHECKING:
    from hubbub.hub.hub import Hub
    from hubbub.hub.rooms import Room


class Vault(Protocol):
    """Implemented by `hubbub.node`. What is asked for here is brought to safety when the turn ends."""

    @property
    def is_shared(self) -> bool:
        """Whether other hubs have it too: then what is here of a session may be out of date."""
        ...

    @property
    def is_durable(self) -> bool:
        """Whether a session outlives the process."""
        ...

    def keep(self, session: Session, then: Callable[[], None]) -> None:
        """The session has changed. `then` is called when that is in safety, or cannot be brought there."""
        ...

    def touch(self, session: Session) -> None:
        """The session has changed, and nobody waits for that to be kept."""
        ...

    def forget(self, session: Session, then: Callable[[], None]) -> None:
        """The session ended. `then` is called unless another hub has it by now."""
        ...

    def load(self, digest: bytes, then: Callable[[Session | ProtocolError | None], None]) -> None:
        """The session as it is kept, or the one here, if that is the newer; None when nobody keeps it."""
        ...

    def claim(self, session: Session, then: Callable[[bool], None]) -> None:
        """A session that was loaded is this hub's from now on. False when another hub was faster."""
        ...

    def restored(self, session: Session) -> None:
        """It is complete here: the hub that had it before is told."""
        ...

    def give_back(self, session: Session) -> None:
        """It was claimed, but cannot be restored: if another hub had it, it is that one's again."""
        ...

    def expects(self, user: str, room: str, then: Callable[[bool | None], None]) -> None:
        """Whether a session of the user is kept elsewhere that is to come back into the room; None: who knows."""
        ...

    def touch_room(self, room: Room) -> None:
        """Who made the room, or who is muted in it, has changed."""
        ...

    def forget_room(self, room: Room) -> None:
        """The room ended."""
        ...


class NoVault:
    """For hubs whose sessions end with the process."""

    is_shared = False
    is_durable = False

    def keep(self, session: Session, then: Callable[[], None]) -> None:
        then()

    def touch(self, session: Session) -> None: ...

    def forget(self, session: Session, then: Callable[[], None]) -> None:
        then()

    def load(self, digest: bytes, then: Callable[[Session | ProtocolError | None], None]) -> None:
        then(None)

    def claim(self, session: Session, then: Callable[[bool], None]) -> None:
        then(True)

    def restored(self, session: Session) -> None: ...

    def give_back(self, session: Session) -> None: ...

    def expects(self, user: str, room: str, then: Callable[[bool | None], None]) -> None:
        then(False)

    def touch_room(self, room: Room) -> None: ...

    def forget_room(self, room: Room) -> None: ...


class RoomFacts(Struct, frozen=True, omit_defaults=True):
    """What of a room has to outlive the process: who may moderate it, and who may not speak."""

    creator: str | None = None
    muted: frozenset[str] = frozenset()


def facts_of(room: Room) -> RoomFacts:
    return RoomFacts(room.creator, frozenset(room.muted))


class _RestState(Struct, omit_defaults=True):
    position: Position | None = None
    patterns: dict[str, int] | None = None
    ack: bool = False


class _Place(Struct):
    node: str = ""
    rooms: list[str] = []


class _State(Struct, omit_defaults=True):
    """What of a session has to be told to another hub."""

    attributes: dict[str, Any]
    groups: list[str]
    rooms: list[str]
    rests: dict[str, _RestState]
    profile: dict[str, Any] = {}
    anonymous: bool = False
    expires_at: float | None = None
    subscriptions: dict[str, str] = {}
    inbox: Position | None = None
    lost: list[str] = []
    opened: dict[str, str] = {}
    version: str = str(HIGHEST)
    node: str = ""
    attempt: int = 0
    kicks: dict[str, str] = {}


_decode = msgspec.json.Decoder(_State).decode
_decode_place = msgspec.json.Decoder(_Place).decode


def snapshot(session: Session, node: str = "") -> bytes:
    """The session as it is kept, by this node's hub. Attributes of the user that have no form in JSON are text then."""
    user = session.user
    rests = dict(session.rests or {})
    rests.update((log, rest_of(reader)) for log, reader in session.readers.items())
    state = _State(
        attributes=dict(user.attributes),
        groups=sorted(user.groups),
        rooms=list(session.rooms),
        rests={log: _RestState(rest.position, rest.patterns, rest.ack) for log, rest in rests.items()},
        profile=session.profile,
        anonymous=user.anonymous,
        expires_at=user.expires_at,
        subscriptions=session.subscriptions or {},
        inbox=session.inbox,
        lost=session.lost or [],
        opened=session.peer.opened if session.peer is not None else {},
        version=str(session.version),
        node=node,
        attempt=session.attempt,
        kicks=session.kicks or {},
    )
    return msgspec.json.encode(state, enc_hook=str)


def node_of(state: bytes) -> str:
    """The node whose hub made this snapshot. Raises `msgspec.DecodeError` for what is none."""
    return _decode_place(state).node


def rooms_of(state: bytes) -> list[str]:
    """The rooms that the session of this snapshot is in. Raises `msgspec.DecodeError` for what is none."""
    return _decode_place(state).rooms


def revive(hub: Hub, digest: bytes, key: str, user: str, created: float, state: bytes) -> Session:
    """The session that `snapshot` was made of, at rest. Raises `msgspec.DecodeError` for what is no snapshot."""
    known = _decode(state)
    who = User(user, known.attributes, frozenset(known.groups), known.anonymous, known.expires_at)
    session = Session(digest, key, who, known.profile, created)
    session.rests = {log: Rest(rest.position, rest.patterns, rest.ack) for log, rest in known.rests.items()}
    session.subscriptions = known.subscriptions or None
    session.inbox = known.inbox
    session.lost = known.lost or None
    session.version = parse_version(known.version)
    session.origin = known.node or None
    session.attempt = known.attempt
    session.kicks = known.kicks or None
    for id in known.rooms:
        hub.rooms.expect(id, session)
    hub.kinds.revive(session, known.opened)
    return session

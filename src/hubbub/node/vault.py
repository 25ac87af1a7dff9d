"""Keeps sessions in a `Sessions` store, and what is to be known of rooms in a `Directory`, beyond this process."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from inspect import isawaitable
from typing import TYPE_CHECKING, Any

import msgspec

from hubbub.errors import ProtocolError, error_of
from hubbub.hub.session import Session
from hubbub.hub.vault import RoomFacts, facts_of, revive, snapshot
from hubbub.ports import Directory, SessionRecord, Sessions
from hubbub.ports.answers import answer

if TYPE_CHECKING:
    from hubbub.hub.hub import Hub
    from hubbub.hub.rooms import Room

_ROOM = "room:"
_encode = msgspec.json.Encoder(order="deterministic").encode
_decode = msgspec.json.Decoder(RoomFacts).decode

Waiting = Sequence[Callable[[], None]]
"""Who waits for a session to be saved."""

log = logging.getLogger("hubbub.sessions")


class SessionVault:
    """Implements `hubbub.hub.vault.Vault`. Changes are collected over a turn; a session is saved once for it."""

    is_shared = False
    is_durable = True

    def __init__(self, hub: Hub, store: Sessions, directory: Directory | None = None) -> None:
        self._hub = hub
        self._store = store
        self._directory = directory
        self._touched: dict[Session, list[Callable[[], None]]] = {}
        """Sessions that changed in this turn, and who waits for each to be saved."""
        self._tasks: set[asyncio.Task[None]] = set()

    def keep(self, session: Session, then: Callable[[], None]) -> None:
        self.touch(session)
        self._touched[session].append(then)

    def touch(self, session: Session) -> None:
        if not self._touched:
            self._hub.wake()
        self._touched.setdefault(session, [])

    def forget(self, session: Session, then: Callable[[], None]) -> None:
        tell(self._touched.pop(session, ()))
        self._wait_for(self._store.delete(session.digest.hex()))
        then()

    def load(self, digest: bytes, then: Callable[[Session | ProtocolError | None], None]) -> None:
        found = self._store.load(digest.hex())
        if isawaitable(found):
            self._start(self._load_later(digest, found, then))
        else:
            then(self._revived(digest, found))

    def claim(self, session: Session, then: Callable[[bool], None]) -> None:
        then(True)

    def restored(self, session: Session) -> None:
        """Nobody else can have had it."""

    def give_back(self, session: Session) -> None:
        """Nobody else can have had it."""

    def expects(self, user: str, room: str, then: Callable[[bool | None], None]) -> None:
        # Nobody else has the store: who was in the room when an earlier process ended is no member before it is back.
        then(False)

    async def recall(self) -> None:
        """Reads what an earlier process knew of rooms."""
        if self._directory is None:
            return
        for name in await answer(self._directory.names(_ROOM)):
            value = await answer(self._directory.get(name))
            if value is not None:
                self._hub.rooms.recall(name.removeprefix(_ROOM), _decode(value))

    def forget_unused(self) -> None:
        """Nobody came back to these rooms of an earlier process, and by now nobody can."""
        for id in self._hub.rooms.forget_unused():
            if self._directory is not None:
                self._wait_for(self._directory.delete(_ROOM + id))

    def touch_room(self, room: Room) -> None:
        # What configuration says of a room need not be kept, and is not, but who is muted in it.
        if self._directory is not None and (room.creator is not None or room.muted or room.is_kept):
            room.is_kept = True
            self._wait_for(self._directory.put(_ROOM + room.id, _encode(facts_of(room))))

    def forget_room(self, room: Room) -> None:
        if self._directory is not None and room.is_kept:
            self._wait_for(self._directory.delete(_ROOM + room.id))

    def flush(self) -> None:
        """Saves what changed in this turn."""
        touched, self._touched = self._touched, {}
        for session, waiting in touched.items():
            if self._hub.sessions.find(session.digest) is session:
                self._save(session, waiting)
            else:
                tell(waiting)

    def _save(self, session: Session, waiting: Waiting) -> None:
        self._wait_for(self._store.save(self._record(session)), waiting)

    async def settle(self) -> None:
        """Waits until nothing is under way."""
        self.flush()
        while self._tasks:
            await asyncio.wait(self._tasks)

    def _record(self, session: Session) -> SessionRecord:
        now = self._hub.wall_ms() / 1000
        return SessionRecord(
            digest=session.digest.hex(),
            key=session.key,
            user=session.user.name,
            connection=session.connection.id if session.connection is not None else "",
            created=session.created,
            expires=now + self._hub.sessions.ttl,
            state=snapshot(session, self._hub.settings.node_name),
            fence=session.fence,
        )

    def _revived(self, digest: bytes, record: SessionRecord | None) -> Session | None:
        if record is None:
            return None
        try:
            session = revive(self._hub, digest, record.key, record.user, record.created, record.state)
        except msgspec.MsgspecError:
            log.exception("a stored session cannot be read")
            return None
        session.fence = record.fence
        return session

    async def _load_later(
        self, digest: bytes, found: Any, then: Callable[[Session | ProtocolError | None], None]
    ) -> None:
        try:
            record = await found
        except Exception:
            log.exception("sessions cannot be loaded")
            then(error_of("unavailable", "sessions cannot be had now", retry_after_ms=1000))
            return
        then(self._revived(digest, record))

    def _wait_for(self, result: Any, waiting: Waiting = ()) -> None:
        if isawaitable(result):
            self._start(self._finish(result, waiting))
        else:
            tell(waiting)

    async def _finish(self, result: Any, waiting: Waiting) -> None:
        try:
            await result
        except Exception:
            # Whoever waits goes on all the same: a full disk keeps nobody from reading.
            log.exception("a session was not kept")
        tell(waiting)

    def _start(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def tell(waiting: Waiting) -> None:
    """What they waited for is over."""
    for then in waiting:
        then()

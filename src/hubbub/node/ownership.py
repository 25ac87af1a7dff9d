"""Which node has a session: the one that saved it under the highest fence. Everyone else lets go of it."""

from __future__ import annotations

import logging
import secrets
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from hubbub.delivery.acks import Deadlines
from hubbub.errors import ProtocolError, error_of
from hubbub.hub.session import Session
from hubbub.hub.vault import node_of, rooms_of
from hubbub.node.members import Members
from hubbub.node.post import Post, Returned, Taken
from hubbub.node.vault import SessionVault, Waiting, tell
from hubbub.ports import Directory, SessionRecord, Sessions
from hubbub.ports.answers import answer

if TYPE_CHECKING:
    from hubbub.hub.hub import Hub

log = logging.getLogger("hubbub.sessions")

_STRIDE = 2**20
"""A claim raises the fence by a random number up to this: of two nodes at once one has the higher."""

_REPAIRED = 500
"""Sessions that a store which lost them gets again in a second."""

_CHECK_AFTER = 5.0
"""Seconds after a claim at which it is saved again: who has lost it to a claim at the same moment learns of it."""


class SharedVault(SessionVault):
    """Keeps sessions where other nodes find them, and finds those that others had.

    A session that is restored here is claimed first: saved under a higher fence than the one it had. From then on
    the node that had it cannot save it any more; it is told when the restoration is complete, and lets go of it:
    nobody hears that it left. Who is told nothing learns it from the next save that is refused.
    """

    is_shared = True

    def __init__(self, hub: Hub, store: Sessions, directory: Directory | None, members: Members, post: Post) -> None:
        super().__init__(hub, store, directory)
        self._members = members
        self._post = post
        self._unsaved: set[Session] = set()
        """What could not be saved, and is tried again."""
        self._unsure: set[Session] = set()
        """What was restored here while the store could not be asked: another node may have had it since."""
        self._claimed: Deadlines[Session] = Deadlines(_CHECK_AFTER)
        self._saved: Deadlines[Session] = Deadlines(hub.sessions.ttl / 4)
        self._due: deque[Session] = deque()
        """What the store may have lost."""
        self.is_moving: Callable[[Session, str], bool] = lambda session, node: False
        """Whether the session is being sent to this node."""
        post.on(Taken, self._taken)
        post.on(Returned, self._returned)

    # --- What the hub asks for -------------------------------------------------------------------------

    def load(self, digest: bytes, then: Callable[[Session | ProtocolError | None], None]) -> None:
        self._start(self._find(digest, then))

    def claim(self, session: Session, then: Callable[[bool], None]) -> None:
        self._start(self._claim(session, then))

    def restored(self, session: Session) -> None:
        origin, session.origin = session.origin, None
        if origin is not None and origin != self._members.name:
            self._post.send(origin, Taken(session.digest.hex(), session.fence, self._members.name))

    def give_back(self, session: Session) -> None:
        if session.origin is None:
            return
        if session.origin != self._members.name:
            self._post.send(session.origin, Returned(session.digest.hex(), session.fence))
            self._hub.sessions.release(session)
        session.origin = None

    def expects(self, user: str, room: str, then: Callable[[bool | None], None]) -> None:
        self._start(self._look_for(user, room, then))

    def forget(self, session: Session, then: Callable[[], None]) -> None:
        tell(self._touched.pop(session, ()))
        self._drop(session)
        self._start(self._forget(session, then))

    def sweep(self, now: float) -> None:
        """Once a second: what could not be saved is tried again, what was not saved for long is kept alive."""
        for session in (*self._unsaved, *self._claimed.expired(now), *self._saved.expired(now)):
            self.touch(session)
        self._unsaved.clear()
        for _ in range(min(_REPAIRED, len(self._due))):
            self.touch(self._due.popleft())

    def keep_again(self) -> None:
        """The store may have lost everything: it gets every session again."""
        self._due = deque(self._hub.sessions.all())

    async def save(self, session: Session) -> bool:
        """Saves the session as it is. False when it is another node's, or the store cannot be had."""
        return await self._save_for(session, self._touched.pop(session, ()))

    # --- Saving ----------------------------------------------------------------------------------------

    def _save(self, session: Session, waiting: Waiting) -> None:
        self._start(self._save_for(session, waiting))

    async def _save_for(self, session: Session, waiting: Waiting) -> bool:
        is_saved = await self._save_later(session)
        tell(waiting)
        return is_saved

    async def _save_later(self, session: Session) -> bool:
        fence = session.fence
        try:
            is_saved = await answer(self._store.save(self._record(session)))
        except Exception as error:
            log.warning("a session was not kept, which is tried again: %r", error)
            self._unsaved.add(session)
            return False
        if self._hub.sessions.find(session.digest) is not session:
            return False
        if not is_saved and session.fence == fence:
            await self._refused(session)
            return False
        self._unsure.discard(session)
        self._saved.set(session, self._hub.clock())
        return True

    async def _refused(self, session: Session) -> None:
        """Another node has it. Unless that one is gone, and the client is still here: then it is taken back."""
        record = await self._record_of(session.digest)
        if self._hub.sessions.find(session.digest) is not session:
            return
        if isinstance(record, SessionRecord) and session.connection is not None:
            node = _node_of(record)
            if self.is_moving(session, node):
                # It is about to say whether it could restore the session.
                self._unsaved.add(session)
                return
            if self._members.find(node) is None:
                log.info("a session is taken back: who took it is gone")
                session.fence = max(session.fence, record.fence) + _stride()
                self.touch(session)
                return
        if session in self._unsure:
            # Its client came here from there, and has to come once more.
            self._let_go(session, 1013, "the session was elsewhere")
        else:
            self._let_go(session, 4409, "another node has the session")

    async def _forget(self, session: Session, then: Callable[[], None]) -> None:
        # First as a save, which a newer fence refuses: what is another node's is not deleted.
        try:
            last = msgspec.structs.replace(self._record(session), expires=self._hub.wall_ms() / 1000 + 1)
            if await answer(self._store.save(last)):
                await answer(self._store.delete(last.digest))
                then()
        except Exception as error:
            log.warning("a session was not deleted, and expires by itself: %r", error)

    # --- Claiming --------------------------------------------------------------------------------------

    async def _find(self, digest: bytes, then: Callable[[Session | ProtocolError | None], None]) -> None:
        record = await self._record_of(digest)
        known = self._hub.sessions.find(digest)
        if known is not None:
            if not isinstance(record, SessionRecord) or record.fence <= known.fence:
                if isinstance(record, ProtocolError):
                    self._unsure.add(known)
                then(known)
                return
            # It has been elsewhere since, and nobody said so.
            self._let_go(known, 4409, "another node has the session")
        then(record if isinstance(record, ProtocolError) else self._revived(digest, record))

    async def _record_of(self, digest: bytes) -> SessionRecord | ProtocolError | None:
        try:
            return await answer(self._store.load(digest.hex()))
        except Exception as error:
            log.warning("sessions cannot be loaded: %r", error)
            return error_of("unavailable", "sessions cannot be had now", retry_after_ms=1000)

    async def _look_for(self, user: str, room: str, then: Callable[[bool | None], None]) -> None:
        found: bool | None = None
        try:
            found = any(room in rooms_of(record.state) for record in await answer(self._store.of_user(user)))
        except Exception as error:
            log.warning("sessions cannot be looked for: %r", error)
        then(found)
        self._hub.wake()

    async def _claim(self, session: Session, then: Callable[[bool], None]) -> None:
        session.fence += _stride()
        try:
            is_saved = await answer(self._store.save(self._record(session)))
        except Exception as error:
            log.warning("a session cannot be claimed: %r", error)
            is_saved = False
        if is_saved:
            self._claimed.set(session, self._hub.clock())
        then(is_saved)

    # --- Mail ------------------------------------------------------------------------------------------

    def _taken(self, mail: Taken) -> None:
        session = self._hub.sessions.find(bytes.fromhex(mail.digest))
        if session is None or session.fence >= mail.fence:
            return
        if self.is_moving(session, mail.node):
            self._let_go(session, 1000, f"moved to {mail.node}")
        else:
            self._let_go(session, 4409, "a newer connection has the session")

    def _returned(self, mail: Returned) -> None:
        session = self._hub.sessions.find(bytes.fromhex(mail.digest))
        if session is not None and session.fence < mail.fence:
            session.fence = mail.fence + _stride()
            self.touch(session)

    def _let_go(self, session: Session, code: int, reason: str) -> None:
        connection = session.connection
        self._drop(session)
        self._hub.sessions.release(session)
        if connection is not None:
            self._hub.close(connection, code, reason)

    def _drop(self, session: Session) -> None:
        self._unsaved.discard(session)
        self._unsure.discard(session)
        self._claimed.clear(session)
        self._saved.clear(session)


def _stride() -> int:
    return 1 + secrets.randbelow(_STRIDE)


def _node_of(record: SessionRecord) -> str:
    try:
        return node_of(record.state)
    except msgspec.MsgspecError:
        return ""

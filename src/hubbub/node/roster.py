"""Rooms over all nodes: who is in them is in `Presence`, what they are in the `Directory`."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from hubbub.errors import Conflict, Denied, ProtocolError, error_of
from hubbub.hub.rooms import Room
from hubbub.hub.roster import Counted, Roll, Seat, Seated
from hubbub.hub.session import Session
from hubbub.hub.sessions import TooManyConnections
from hubbub.node.facts import Facts
from hubbub.node.lanes import Lanes
from hubbub.ports import Joined, Left, Presence
from hubbub.ports.answers import answer

if TYPE_CHECKING:
    from hubbub.hub.hub import Hub

log = logging.getLogger("hubbub.roster")

_REFRESHED = 200
"""Entries that are entered again in a second: what the store has lost is there again after a while."""


class SharedRoster:
    """Implements `hubbub.hub.roster.Roster`.

    What concerns one session in one room is done in order. An entry belongs to this node's run; what could not be
    said while the store was away is said when it is back.
    """

    def __init__(self, hub: Hub, presence: Presence, facts: Facts) -> None:
        self._hub = hub
        self._presence = presence
        self._facts = facts
        self.holder = f"{hub.settings.node_name}/{hub.run}"
        """Whom this node's entries belong to."""
        self._lanes = Lanes()
        self._joining: dict[Session, set[str]] = {}
        self._owed: dict[tuple[str, str], str] = {}
        """Departures that could not be said yet: space and session's key to user."""
        self._due: deque[tuple[Room | None, Session]] = deque()
        """What is to be entered again next: sessions in rooms, and, where users have a limit, those connected."""
        self._most = hub.settings.max_connections_per_user
        self.is_away = False
        """Whether the store could not be had when it was last asked."""

    # --- What the hub asks for -------------------------------------------------------------------------

    def join(self, id: str, session: Session, then: Seated) -> None:
        joining = self._joining.setdefault(session, set())
        room = self._hub.rooms.find(id)
        is_in = room is not None and (session in room.members.get(session.user.name, ()) or session in room.absent)
        if is_in or id in joining:
            raise Conflict("already_joined", f"this session is in room {id}", field="channel")
        most = self._hub.settings.max_subscriptions
        if len(session.rooms) + len(joining) >= most:
            raise Denied("forbidden", f"a session has at most {most} rooms and topics", field="channel")
        joining.add(id)
        self._lanes.add(id, session.key, self._join(id, session, then))

    def came_back(self, room: Room, session: Session, is_first: bool, then: Counted) -> None:
        self._lanes.add(room.id, session.key, self._come_back(room, session, then))

    def left(self, room: Room, session: Session, is_last: bool, then: Counted) -> None:
        self._lanes.add(room.id, session.key, self._leave(room, session, then))

    def members(self, room: Room, limit: int, then: Callable[[Roll | None], None]) -> None:
        self._lanes.start(self._call_roll(room, limit, then))

    def connected(self, session: Session, then: Callable[[ProtocolError | None], None]) -> None:
        if self._most is None:
            then(None)
        else:
            self._lanes.add(session.inbox_log, session.key, self._connect(session, self._most, then))

    def disconnected(self, session: Session) -> None:
        if self._most is not None:
            self._lanes.add(session.inbox_log, session.key, self._disconnect(session))

    def look_up(self, id: str, then: Callable[[Room | ProtocolError], None]) -> None:
        room = self._hub.rooms.find(id)
        if room is not None:
            then(room)
        else:
            self._lanes.start(self._look_up(id, then))

    def made(self, room: Room) -> None:
        self._facts.made(room)

    def closed(self, room: Room) -> None:
        self._facts.closed(room)

    def muted(self, room: Room, user: str, muted: bool) -> None:
        self._facts.muted(room, user, muted)

    def kicked(self, room: Room, user: str) -> str:
        return self._facts.kicks.kicked(room.id, user)

    def heard_of_kick(self, room: str, user: str, mark: str) -> None:
        self._facts.kicks.heard(room, user, mark)

    def missed_kicks(self, session: Session) -> set[str]:
        return {f"room:{id}" for id in self._facts.kicks.missed_by(session)}

    def grouped(self, group: str, user: str | None = None, belongs: bool = True) -> None:
        self._facts.grouped(group, user, belongs)

    def learn_room(self, id: str) -> None:
        self._lanes.start(self._facts.learn_room(id))

    def learn_group(self, id: str) -> None:
        self._lanes.start(self._facts.learn_group(id))

    # --- What the node asks for ------------------------------------------------------------------------

    def sweep(self) -> None:
        """To be called about once a second."""
        if self._lanes.is_free("", ""):
            self._lanes.add("", "", self._mend())

    def enter_again(self) -> None:
        """All of this node's entries may be gone from the store."""
        self._due = deque((room, session) for room in self._hub.rooms.all() for session in _present(room))
        if self._most is not None:
            self._due.extend((None, session) for session in self._hub.sessions.all() if session.connection is not None)

    async def drop(self, holder: str) -> None:
        """This node's run is gone: whoever gets its departures tells of them. Raises what the store raises."""
        for left in await answer(self._presence.drop(holder)):
            self._tell_departure(left)

    async def settle(self) -> None:
        """Waits until nothing is under way."""
        await self._lanes.settle()

    def abandon(self) -> None:
        """Waits for nothing any more."""
        self._lanes.abandon()

    # --- Connections -----------------------------------------------------------------------------------

    async def _connect(self, session: Session, limit: int, then: Callable[[ProtocolError | None], None]) -> None:
        """A user's space counts sessions: one that comes over another connection, or to another node, counts once."""
        error: ProtocolError | None = None
        try:
            if await self._enter_user(session, limit) is None:
                error = TooManyConnections(limit)
        except Exception as failure:
            self._missed(failure)
            self._owed[session.inbox_log, session.key] = session.key
            error = error_of("unavailable", "it cannot be known how many connections you have", retry_after_ms=1000)
        then(error)
        self._hub.wake()

    async def _enter_user(self, session: Session, limit: int | None) -> Joined | None:
        space, key = session.inbox_log, session.key
        joined = await answer(self._presence.join(space, key, key, self.holder, limit=limit))
        self._owed.pop((space, key), None)
        return joined

    async def _disconnect(self, session: Session) -> None:
        if session.connection is not None:
            return
        space, key = session.inbox_log, session.key
        try:
            await answer(self._presence.leave(space, key, key, self.holder))
        except Exception as error:
            self._missed(error)
            self._owed[space, key] = key

    # --- Rooms -----------------------------------------------------------------------------------------

    async def _join(self, id: str, session: Session, then: Seated) -> None:
        try:
            outcome: Seat | ProtocolError | None = await self._enter(id, session)
        except ProtocolError as error:
            outcome = error
        except Exception as error:
            self._missed(error)
            # It may be in all the same.
            self._owed[f"room:{id}", session.key] = session.user.name
            outcome = error_of("unavailable", "the room cannot be had now", retry_after_ms=1000)
        joining = self._joining.get(session)
        if joining is not None:
            joining.discard(id)
            if not joining:
                del self._joining[session]
        if outcome is not None:
            then(outcome)
            self._hub.wake()

    async def _enter(self, id: str, session: Session) -> Seat | None:
        """The seat; None when the session ended meanwhile. Raises `Conflict`."""
        room = await self._facts.room(id, session.user.name)
        user = session.user.name
        joined = await answer(self._presence.join(room.channel, user, session.key, self.holder, limit=room.capacity))
        if joined is None:
            raise Conflict("room_full", f"room {id} holds {room.capacity} users", field="channel")
        self._owed.pop((room.channel, session.key), None)
        if self._hub.sessions.find(session.digest) is not session:
            await answer(self._presence.leave(room.channel, user, session.key, self.holder))
            return None
        self._facts.kicks.joined(id, session)
        return Seat(self._hub.rooms.admit(room, session), joined.first, joined.count)

    async def _come_back(self, room: Room, session: Session, then: Counted) -> None:
        try:
            if not await self._facts.refresh(room):
                self._hub.membership.expel(room, session, f"{room.name} was closed")
                return
            if session not in room.members.get(session.user.name, ()):
                return
            joined = await self._reenter(room, session)
        except Exception as error:
            self._missed(error)
            self._due.append((room, session))
            return
        then(*joined)
        self._hub.wake()

    async def _reenter(self, room: Room, session: Session) -> tuple[bool, int]:
        joined = await answer(self._presence.join(room.channel, session.user.name, session.key, self.holder))
        assert joined is not None, "there was no limit"
        self._owed.pop((room.channel, session.key), None)
        return joined.first, joined.count

    async def _leave(self, room: Room, session: Session, then: Counted) -> None:
        try:
            left = await answer(self._presence.leave(room.channel, session.user.name, session.key, self.holder))
        except Exception as error:
            self._missed(error)
            self._owed[room.channel, session.key] = session.user.name
            return
        then(left.last, left.count)
        self._hub.wake()
        if left.last and left.count == 0:
            await self._end(room)

    async def _end(self, room: Room) -> None:
        """The last user left: an open room is no more, unless somebody is coming or is to come back."""
        here = self._hub.rooms.find(room.id)
        if room.permanent or (here is not None and (here.members or here.absent)):
            return
        try:
            await self._facts.forget(room)
            if (await answer(self._presence.members(room.channel, 0))).count:
                await self._facts.restore(room)
        except Exception as error:
            self._missed(error)

    async def _call_roll(self, room: Room, limit: int, then: Callable[[Roll | None], None]) -> None:
        roll = None
        try:
            found = await answer(self._presence.members(room.channel, limit))
            roll = Roll(found.count, found.users)
        except Exception as error:
            self._missed(error)
        then(roll)
        self._hub.wake()

    async def _look_up(self, id: str, then: Callable[[Room | ProtocolError], None]) -> None:
        found: Room | ProtocolError
        try:
            found = await self._facts.find(id) or Conflict("not_found", f"there is no room {id}", field="channel")
        except Exception as error:
            self._missed(error)
            found = error_of("unavailable", "the room cannot be had now", retry_after_ms=1000)
        then(found)
        self._hub.wake()

    # --- After the store was away ----------------------------------------------------------------------

    def _missed(self, error: Exception) -> None:
        if not self.is_away:
            log.warning("rooms cannot be agreed on with the other nodes: %s", error)
        self.is_away = True

    async def _mend(self) -> None:
        """Says what could not be said, and enters again what the store may have lost."""
        try:
            if self.is_away:
                await answer(self._presence.members("", 0))
                self.is_away = False
                self.enter_again()
            for (space, key), user in list(self._owed.items()):
                await self._repay(space, key, user)
            if not self._due:
                self.enter_again()
            for _ in range(min(_REFRESHED, len(self._due))):
                room, session = self._due.popleft()
                if room is None:
                    if session.connection is not None:
                        await self._enter_user(session, None)
                elif session in _present(room):
                    is_first, count = await self._reenter(room, session)
                    if is_first:
                        self._hub.attendance.announce(room, "join", session.user.name, count)
        except Exception as error:
            self._missed(error)

    async def _repay(self, space: str, key: str, user: str) -> None:
        if not self._is_there(space, key, user):
            self._tell_departure(await answer(self._presence.leave(space, user, key, self.holder)))
        self._owed.pop((space, key), None)

    def _is_there(self, space: str, key: str, user: str) -> bool:
        """Whether the session is by now where it was to leave."""
        session = self._hub.groups.by_key.get(key)
        if session is None:
            return False
        kind, _, id = space.partition(":")
        if kind == "user":
            return session.connection is not None
        room = self._hub.rooms.find(id)
        return room is not None and session in room.members.get(user, ())

    def _tell_departure(self, left: Left) -> None:
        kind, _, id = left.space.partition(":")
        if left.last and kind == "room":
            # Nobody of this hub may be in it, and then there are others to be told.
            room = self._hub.rooms.find(id) or Room(id)
            self._hub.attendance.announce(room, "leave", left.user, left.count)
            self._hub.wake()


def _present(room: Room) -> list[Session]:
    return [session for sessions in room.members.values() for session in sessions if session.connection is not None]

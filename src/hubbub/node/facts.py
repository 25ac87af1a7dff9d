"""What all nodes know of rooms and groups: small facts in the `Directory`, told by notice, and looked up again."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from hubbub.errors import Conflict
from hubbub.hub.peers import AnyNotice, GroupChanged, RoomMade
from hubbub.hub.rooms import Room
from hubbub.node.kicks import Kicks
from hubbub.ports import Directory
from hubbub.ports.answers import answer

if TYPE_CHECKING:
    from hubbub.hub.hub import Hub

log = logging.getLogger("hubbub.roster")

# A room that a join opened; one that the application made; and by room and user, or group and user, what is so.
# Ids have no control characters, so that a line break parts them.
_OPENED = "room:"
_MADE = "made:"
_MUTED = "muted:"
_GROUP = "group:"
_MEMBER = "member:"

_ATTEMPTS = 5


class _RoomRecord(Struct, omit_defaults=True):
    creator: str | None = None
    name: str = ""
    capacity: int | None = None
    metadata: dict[str, Any] = {}


class _GroupRecord(Struct, omit_defaults=True):
    name: str = ""
    metadata: dict[str, Any] = {}


_encode = msgspec.json.Encoder(order="deterministic").encode
_decode_room = msgspec.json.Decoder(_RoomRecord).decode
_decode_group = msgspec.json.Decoder(_GroupRecord).decode


class Facts:
    """One node's view of them. Whatever waits for the store raises what that raises."""

    def __init__(self, hub: Hub, directory: Directory) -> None:
        self._hub = hub
        self._directory = directory
        self._changes: deque[tuple[Callable[[], Awaitable[Any] | Any], AnyNotice | None]] = deque()
        self._changing: asyncio.Task[None] | None = None
        self.kicks = Kicks(hub, directory, self._change)
        self._learned: set[str] = set()
        """Groups that are there by a call on some node, and not by this one's program."""
        self._is_started = False

    async def start(self) -> None:
        """Learns what other nodes know; what this one's program declared before it declares on every node."""
        self._is_started = True
        for group in self._hub.groups.all():
            for user in group.users:
                await answer(self._directory.put(_entry(_MEMBER, group.id, user), b""))
        await self.learn()

    async def learn(self) -> None:
        """All of it, once more: a notice may have been lost."""
        for name in await answer(self._directory.names(_MADE)):
            if self._hub.rooms.find(name.removeprefix(_MADE)) is None:
                await self.learn_room(name.removeprefix(_MADE))
        groups = {name.removeprefix(_GROUP) for name in await answer(self._directory.names(_GROUP))}
        for id in sorted(groups | {group.id for group in self._hub.groups.all()}):
            await self.learn_group(id)
        for room in self._hub.rooms.all():
            room.muted = await self._muted_in(room.id)
        await self.kicks.learn()

    async def settle(self) -> None:
        """Waits until what was changed here is put down."""
        while self._changing is not None:
            await asyncio.wait({self._changing})

    def abandon(self) -> None:
        """Waits for nothing any more."""
        if self._changing is not None:
            self._changing.cancel()

    # --- Rooms -----------------------------------------------------------------------------------------

    async def room(self, id: str, user: str) -> Room:
        """The room that the user enters, made if rooms are open and there is none. Raises `Conflict` (`not_found`)."""
        here = self._hub.rooms.find(id)
        if here is not None and here.permanent:
            return here
        record = _record_of(here) if here is not None else _encode(_RoomRecord(creator=user))
        for _ in range(_ATTEMPTS):
            # It may end while somebody comes.
            found = await self.find(id)
            if found is not None:
                return found
            if here is None and not self._hub.settings.rooms_are_open:
                break
            await answer(self._directory.create(_OPENED + id, record))
        raise Conflict("not_found", f"there is no room {id}", field="channel")

    async def find(self, id: str) -> Room | None:
        """The room as all know it."""
        value = await answer(self._directory.get(_OPENED + id))
        permanent = value is None
        if value is None:
            value = await answer(self._directory.get(_MADE + id))
        if value is None:
            return None
        record = _decode_room(value)
        here = self._hub.rooms.find(id)
        room = here or Room(
            id,
            name=record.name,
            capacity=record.capacity or self._hub.settings.room_capacity,
            metadata=record.metadata,
            permanent=permanent,
        )
        room.creator = record.creator
        room.is_kept = True
        if here is None:
            room.muted = await self._muted_in(id)
        return room

    async def refresh(self, room: Room) -> bool:
        """What a session that came back knew of its room may be old. Returns whether there still is such a room."""
        if room.permanent or room.is_kept:
            return True
        record = _record_of(room)
        if self._hub.settings.rooms_are_open:
            await answer(self._directory.create(_OPENED + room.id, record))
        found = await self.find(room.id)
        if found is None:
            return False
        room.creator, room.muted = found.creator, await self._muted_in(room.id)
        return True

    async def forget(self, room: Room) -> None:
        """An open room ended."""
        await answer(self._directory.delete(_OPENED + room.id))
        for user in await self._muted_in(room.id):
            await answer(self._directory.delete(_entry(_MUTED, room.id, user)))

    async def restore(self, room: Room) -> None:
        """It did not end after all: somebody came while it was being forgotten."""
        if await answer(self._directory.create(_OPENED + room.id, _record_of(room))):
            for user in room.muted:
                await answer(self._directory.put(_entry(_MUTED, room.id, user), b""))

    async def learn_room(self, id: str) -> None:
        """A room that the application made on another node."""
        room = await self.find(id)
        if room is not None and room.permanent:
            self._hub.rooms.keep(room)

    def made(self, room: Room) -> None:
        """The application made a room while the node runs."""
        self._change(lambda: self._directory.create(_MADE + room.id, _record_of(room)), RoomMade(room.id))

    def closed(self, room: Room) -> None:
        for name in (_MADE + room.id, _OPENED + room.id, *(_entry(_MUTED, room.id, user) for user in room.muted)):
            self._change(partial(self._directory.delete, name))

    def muted(self, room: Room, user: str, muted: bool) -> None:
        self._set(_entry(_MUTED, room.id, user), muted)

    async def _muted_in(self, room: str) -> set[str]:
        prefix = _entry(_MUTED, room, "")
        return {name.removeprefix(prefix) for name in await answer(self._directory.names(prefix))}

    # --- Groups ----------------------------------------------------------------------------------------

    def grouped(self, id: str, user: str | None, belongs: bool) -> None:
        """A group was made or ended here, or a user put into it or taken out, while the node runs."""
        if user is not None:
            self._set(_entry(_MEMBER, id, user), belongs, GroupChanged(id))
        elif belongs:
            group = self._hub.groups.get(id)
            self._learned.add(id)
            record = _encode(_GroupRecord(group.name, group.metadata))
            self._change(lambda: self._directory.create(_GROUP + id, record), GroupChanged(id))
        else:
            self._learned.discard(id)
            self._change(lambda: self._end_group(id), GroupChanged(id))

    async def learn_group(self, id: str) -> None:
        """What is so of a group now. One that this node's program declared stays, whatever others do."""
        value = await answer(self._directory.get(_GROUP + id))
        prefix = _entry(_MEMBER, id, "")
        users = {name.removeprefix(prefix) for name in await answer(self._directory.names(prefix))}
        groups = self._hub.groups
        is_here = any(group.id == id for group in groups.all())
        if value is None and id in self._learned:
            self._learned.discard(id)
            if is_here:
                groups.delete(id)
            return
        if value is not None and not is_here:
            record = _decode_group(value)
            groups.create(id, name=record.name, metadata=record.metadata)
            self._learned.add(id)
            is_here = True
        if is_here:
            groups.assign(id, users)

    async def _end_group(self, id: str) -> None:
        await answer(self._directory.delete(_GROUP + id))
        for name in await answer(self._directory.names(_entry(_MEMBER, id, ""))):
            await answer(self._directory.delete(name))

    # --- Changes ---------------------------------------------------------------------------------------

    def _set(self, name: str, is_so: bool, notice: AnyNotice | None = None) -> None:
        self._change(lambda: self._directory.put(name, b"") if is_so else self._directory.delete(name), notice)

    def _change(self, change: Callable[[], Awaitable[Any] | Any], notice: AnyNotice | None = None) -> None:
        """Puts it down, one after the other, and then tells the other nodes."""
        if not self._is_started:
            return
        self._changes.append((change, notice))
        if self._changing is None:
            self._changing = asyncio.get_running_loop().create_task(self._put_down())

    async def _put_down(self) -> None:
        try:
            while self._changes:
                change, notice = self._changes.popleft()
                for pause in (0.1, 1.0, 5.0, None):
                    try:
                        await answer(change())
                        break
                    except Exception as error:
                        log.warning("a change of a room or group cannot be kept now: %s", error)
                        if pause is not None:
                            await asyncio.sleep(pause)
                if notice is not None and self._hub.peers is not None:
                    self._hub.peers.tell_all(notice)
        finally:
            self._changing = None


def _entry(kind: str, first: str, second: str) -> str:
    return f"{kind}{first}\n{second}"


def _record_of(room: Room) -> bytes:
    return _encode(_RoomRecord(room.creator, room.name, room.capacity, room.metadata))

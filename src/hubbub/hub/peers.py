"""What the hubs of one cluster tell each other beside the logs, and what each does when it is told."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from msgspec import Raw, Struct

from hubbub.errors import Conflict
from hubbub.protocol.channels import parse_channel
from hubbub.protocol.messages import SystemMessage
from hubbub.protocol.payloads import System

if TYPE_CHECKING:
    from hubbub.hub.hub import Hub

log = logging.getLogger("hubbub.peers")


class Notice(Struct, frozen=True, omit_defaults=True, tag_field="is"):
    """Comes at most once. What has to be right without it stands in the stores that all hubs share."""


class Passed(Notice, frozen=True, tag="passed"):
    """An ephemeral message, as JSON, for whoever reads its channel now."""

    channel: str
    body: Raw


class Sent(Notice, frozen=True, tag="sent"):
    """A message, as JSON, for one connection."""

    connection: str
    body: Raw


class Told(Notice, frozen=True, tag="told"):
    """A system message for a user."""

    user: str
    content: str
    level: str = "info"
    channel: str | None = None


class Moved(Notice, frozen=True, tag="moved"):
    """A user came into a room (`join`) or left it (`leave`); so many are there now."""

    room: str
    event: str
    user: str
    count: int


class Kicked(Notice, frozen=True, tag="kicked"):
    """A user is to leave a room, with all sessions. `mark` is for those that come back later."""

    room: str
    user: str
    reason: str
    mark: str = ""


class Muted(Notice, frozen=True, tag="muted"):
    """A user may not write in a room any more, or again, and is told why: not before it is so."""

    room: str
    user: str
    muted: bool
    reason: str = ""


class RoomMade(Notice, frozen=True, tag="room_made"):
    """The application made a room: what it is stands in the directory."""

    room: str


class RoomClosed(Notice, frozen=True, tag="room_closed"):
    """The application closed a room."""

    room: str
    reason: str


class GroupChanged(Notice, frozen=True, tag="group"):
    """The application made a group, ended it, or put a user in or out: the directory has what is so now."""

    group: str


AnyNotice = Passed | Sent | Told | Moved | Kicked | Muted | RoomMade | RoomClosed | GroupChanged


class Peers(Protocol):
    """The other hubs of the cluster, without this one. Implemented by `hubbub.node`. Nothing is waited for."""

    def tell_readers(self, log: str, notice: AnyNotice) -> None:
        """Where somebody reads the log."""
        ...

    def tell_all(self, notice: AnyNotice) -> None: ...

    def tell_one(self, run: str, notice: AnyNotice) -> None:
        """The hub with this `Hub.run`."""
        ...


class Reception:
    """What is done here with what other hubs tell."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._handlers: dict[type, Callable[[Any], None]] = {
            Passed: self._passed,
            Sent: self._sent,
            Told: self._told,
            Moved: self._moved,
            Kicked: self._kicked,
            Muted: self._muted,
            RoomMade: self._room_made,
            RoomClosed: self._room_closed,
            GroupChanged: self._group_changed,
        }

    def received(self, notice: AnyNotice) -> None:
        """From another hub. What cannot be done is logged, and harms nobody."""
        try:
            self._handlers[type(notice)](notice)
        except Exception:
            log.exception("a notice from another node could not be followed: %s", type(notice).__name__)
        self._hub.wake()

    def _passed(self, notice: Passed) -> None:
        message = self._hub.wire.decode_stored(bytes(notice.body))
        self._hub.publishing.pass_on(parse_channel(notice.channel), message)

    def _sent(self, notice: Sent) -> None:
        self._hub.send_here(notice.connection, self._hub.wire.decode_stored(bytes(notice.body)))

    def _told(self, notice: Told) -> None:
        message = SystemMessage(payload=System(notice.content, notice.level))
        if notice.channel is not None:
            message.channel = notice.channel
        self._hub.tell_here(notice.user, message)

    def _moved(self, notice: Moved) -> None:
        room = self._hub.rooms.find(notice.room)
        if room is not None:
            self._hub.attendance.announce_here(room, notice.event, notice.user, notice.count)

    def _kicked(self, notice: Kicked) -> None:
        if notice.mark:
            self._hub.roster.heard_of_kick(notice.room, notice.user, notice.mark)
        room = self._hub.rooms.find(notice.room)
        if room is not None:
            self._hub.moderator.kick_here(room, notice.user, notice.reason)

    def _muted(self, notice: Muted) -> None:
        room = self._hub.rooms.find(notice.room)
        if room is not None:
            (room.muted.add if notice.muted else room.muted.discard)(notice.user)
        if notice.reason:
            self._hub.moderator.tell_here(notice)

    def _room_made(self, notice: RoomMade) -> None:
        self._hub.roster.learn_room(notice.room)

    def _room_closed(self, notice: RoomClosed) -> None:
        room = self._hub.rooms.find(notice.room)
        if room is not None:
            self._hub.moderator.close_here(room, notice.reason)

    def _group_changed(self, notice: GroupChanged) -> None:
        self._hub.roster.learn_group(notice.group)


def require_run(connection: str) -> str:
    """The run of the hub that has a connection. Raises `Conflict` (`not_found`) for what is no connection's id."""
    run, dash, number = connection.partition("-")
    if not dash or not run or not number.isdigit():
        raise Conflict("not_found", f"there is no connection {connection}")
    return run

"""Which messages are in the log already, from what this node appended and from what it saw coming."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

from hubbub.delivery.dedup import Windows

Identity = tuple[str, str]
"""A session, and the id of its message in lower case."""

_FORGOTTEN = 10_000
_HOMES = 100_000


class Place(NamedTuple):
    """Where the first of a message stands."""

    log: str
    offset: int


class Repeats:
    """Of records with one identity in one log the first counts: every node sees them in one order, and agrees."""

    def __init__(self, clock: Callable[[], float], *, size: int, age: float) -> None:
        self._clock = clock
        self._windows: Windows[Place] = Windows(size=size, age=age)
        self._forgotten: OrderedDict[str, None] = OrderedDict()
        self._homes: OrderedDict[str, None] = OrderedDict()

    def find(self, identity: Identity) -> Place | None:
        """Where the message stands; None when it is new."""
        return self._windows.find(*identity, self._clock())

    def note(self, identity: Identity, log: str, offset: int) -> bool:
        """A record came into a log. Returns whether it counts: false for a repeat."""
        # What an ended session left may still be on its way.
        return identity[0] in self._forgotten or self.settle(identity, log, offset).offset == offset

    def settle(self, identity: Identity, log: str, offset: int) -> Place:
        """A record stands at this offset of a log. Returns where the first of its message in this log stands."""
        now = self._clock()
        place = Place(log, offset)
        known = self._windows.find(*identity, now)
        if known is not None:
            if known.log != log:
                return place
            if known.offset <= offset:
                return known
            # Both were on their way at once, and this node heard of the later one first.
            self._windows.discard(*identity, known)
        self._windows.put(*identity, place, now)
        return place

    def is_repeat(self, identity: Identity, log: str, offset: int) -> bool:
        """Whether the record is known not to be the first of its message in this log."""
        known = self.find(identity)
        return known is not None and known.log == log and known.offset < offset

    def is_at_home(self, session: str) -> bool:
        """Whether this node appended for the session before: then it knows what the session sent."""
        return session in self._homes

    def welcome(self, session: str) -> None:
        """What the session sent elsewhere is known by now."""
        self._homes[session] = None
        if len(self._homes) > _HOMES:
            self._homes.popitem(last=False)

    def forget(self, session: str) -> None:
        self._windows.forget(session)
        self._homes.pop(session, None)
        self._forgotten[session] = None
        if len(self._forgotten) > _FORGOTTEN:
            self._forgotten.popitem(last=False)

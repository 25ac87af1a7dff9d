"""What was sent and waits for its answer: when to send it again, and when to give it up."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import Generic, TypeVar

from msgspec import Struct

from hubbub.errors import TryLater

T = TypeVar("T")

TIMEOUT = 5.0
RETRIES = 3
LIMIT = 1000

_SLACK = 1e-6
"""Seconds by which a deadline may be early: sums of floats fall short, and would ring for ever at one time."""


class _Entry(Generic[T]):
    __slots__ = ("born", "item", "retries")

    def __init__(self, item: T) -> None:
        self.item = item
        self.retries = 0
        self.born: float | None = None
        """When it was sent first, by the clock that stands while disconnected; None: not yet."""


class Due(Struct, Generic[T], frozen=True):
    """What `Retransmission.due` found: the caller sends the one again, and tells who waits for the other."""

    again: list[T]
    given_up: list[T]


class Retransmission(Generic[T]):
    """A bounded table, by message id, in the order of adding.

    What has no answer `timeout` seconds after it was sent is due again, `retries` times; then it is given up.
    All have the same patience, so that they stand in a row by the time they were sent last, and one timer at
    `next_due` serves all of them. The clock stands between `stand` and `go`: an answer cannot come while there
    is no connection. Nothing stays for more than twice the whole patience of connected time, also when
    reconnects send it again and again.
    """

    def __init__(self, *, timeout: float = TIMEOUT, retries: int = RETRIES, limit: int = LIMIT) -> None:
        self._timeout = timeout
        self._retries = retries
        self._limit = limit
        self._lifetime = 2 * timeout * (1 + retries)
        self._entries: dict[str, _Entry[T]] = {}
        self._row: OrderedDict[str, float] = OrderedDict()
        self._stood = 0.0
        self._standing_since: float | None = None

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, id: object) -> bool:
        return id in self._entries

    def __iter__(self) -> Iterator[tuple[str, T]]:
        """Everything that waits, in the order in which it was added."""
        for id, entry in list(self._entries.items()):
            yield id, entry.item

    @property
    def is_full(self) -> bool:
        return len(self._entries) >= self._limit

    def add(self, id: str, item: T) -> None:
        """Takes what is about to be sent; `sent` follows.

        Raises `TryLater` (`too_many_pending`) when there is no room: nothing is kept of it.
        """
        if self.is_full:
            raise too_many(self._limit, id)
        self._entries[id] = _Entry(item)

    def sent(self, id: str, now: float) -> None:
        """It went out, for the first time or anew after a reconnect; its patience begins now."""
        entry = self._entries[id]
        clock = self._clock(now)
        if entry.born is None:
            entry.born = clock
        self._row[id] = clock
        self._row.move_to_end(id)

    def was_sent(self, id: str) -> bool:
        return self._entries[id].born is not None

    def settle(self, id: str) -> T | None:
        """Its answer came, or nobody waits for it any more: takes it out. None when it is not there."""
        self._row.pop(id, None)
        entry = self._entries.pop(id, None)
        return None if entry is None else entry.item

    def stand(self, now: float) -> None:
        """The clock stands from now on: no answer can come."""
        if self._standing_since is None:
            self._standing_since = now

    def go(self, now: float) -> None:
        """The clock goes on."""
        if self._standing_since is not None:
            self._stood += now - self._standing_since
            self._standing_since = None

    def due(self, now: float) -> Due[T]:
        """What is to be sent again now, in order, and what is out of patience and no longer in the table."""
        found: Due[T] = Due([], [])
        clock = self._clock(now)
        while self._row:
            id, since = next(iter(self._row.items()))
            if clock < since + self._timeout - _SLACK:
                break
            entry = self._entries[id]
            if entry.retries >= self._retries:
                found.given_up.append(self._take(id))
                continue
            entry.retries += 1
            self._row[id] = clock
            self._row.move_to_end(id)
            found.again.append(entry.item)
        for id in self._outlived(clock):
            item = self._take(id)
            found.given_up.append(item)
            if item in found.again:
                found.again.remove(item)
        return found

    def next_due(self) -> float | None:
        """When `due` is to be asked next; None while nothing was sent or the clock stands."""
        if self._standing_since is not None or not self._row:
            return None
        when = next(iter(self._row.values())) + self._timeout
        oldest = next((entry.born for entry in self._entries.values() if entry.born is not None), None)
        if oldest is not None:
            when = min(when, oldest + self._lifetime)
        return when + self._stood

    def _outlived(self, clock: float) -> list[str]:
        found = []
        for id, entry in self._entries.items():
            if entry.born is not None:
                if clock < entry.born + self._lifetime - _SLACK:
                    break
                found.append(id)
        return found

    def _take(self, id: str) -> T:
        self._row.pop(id, None)
        return self._entries.pop(id).item

    def _clock(self, now: float) -> float:
        since = self._standing_since
        return (now if since is None else since) - self._stood


def too_many(limit: int, id: str | None = None) -> TryLater:
    """The refusal of what finds no room."""
    reason = f"{limit} messages wait for their acknowledgements"
    return TryLater("too_many_pending", reason, message_id=id, retry_after_ms=1000)

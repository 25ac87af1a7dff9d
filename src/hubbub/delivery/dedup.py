"""Which message ids a session used last, and what became of each: what makes a repeat harmless."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Generic, TypeVar

T = TypeVar("T")

WINDOW = 1024
"""Message ids remembered for each session; the protocol promises 1000."""

AGE = 3600.0
"""Seconds for which they are remembered."""

TOTAL = 1_000_000
"""Message ids remembered for all sessions together: some 300 MB."""


class Window(Generic[T]):
    """One session's message ids, the oldest first, each with the time in seconds and what became of it."""

    __slots__ = ("entries", "pins", "used")

    def __init__(self, now: float) -> None:
        self.entries: OrderedDict[str, tuple[float, T]] = OrderedDict()
        self.used = now
        self.pins = 0
        """While above 0 the window is not dropped to make room."""


class Windows(Generic[T]):
    """The windows of all sessions: bounded each by count and age, and together by the sum of their ids.

    Above `total` ids the sessions that were silent longest are forgotten. A window may outgrow `size` by `slack`
    before it is cut, for those to whom cutting costs something.
    """

    def __init__(self, *, size: int = WINDOW, age: float = AGE, total: int = TOTAL, slack: int = 0) -> None:
        self._size = size
        self._most = size + slack
        self._age = age
        self._total = total
        self._count = 0
        self._windows: OrderedDict[str, Window[T]] = OrderedDict()

    def __contains__(self, session: str) -> bool:
        return session in self._windows

    def __len__(self) -> int:
        """How many message ids are remembered."""
        return self._count

    def find(self, session: str, message_id: str, now: float) -> T | None:
        """What became of this id, or None when it is new or too old."""
        window = self._windows.get(session)
        if window is None:
            return None
        entry = window.entries.get(message_id)
        if entry is None or entry[0] < now - self._age:
            return None
        return entry[1]

    def open(self, session: str, now: float) -> Window[T]:
        """The session's window, empty if it is new."""
        window = self._windows.get(session)
        if window is None:
            self._drop_idle(now)
            window = self._windows[session] = Window(now)
        return window

    def put(self, session: str, message_id: str, value: T, now: float) -> Sequence[T]:
        """Remembers an id that `find` did not find. Returns what the window had no room for."""
        window = self._windows.get(session)
        if window is None:
            window = self.open(session, now)
        else:
            self._windows.move_to_end(session)
            window.used = now
        entries = window.entries
        if message_id in entries:
            # Too old to be found: it counts as new, and is the newest.
            del entries[message_id]
            self._count -= 1
        entries[message_id] = (now, value)
        if len(entries) <= self._most:
            self._count += 1
            if self._count > self._total:
                self._make_room(window)
            return ()
        if self._most == self._size:
            return (entries.popitem(last=False)[1][1],)
        dropped = [entries.popitem(last=False)[1][1] for _ in range(len(entries) - self._size)]
        self._count -= len(dropped) - 1
        return dropped

    def restore(self, session: str, message_id: str, value: T, at: float) -> None:
        """Remembers what was known before, and makes no room for it; in the order of time, for an open window."""
        entries = self._windows[session].entries
        self._count += message_id not in entries
        entries[message_id] = (at, value)
        entries.move_to_end(message_id)

    def discard(self, session: str, message_id: str, value: T) -> None:
        """Forgets an id, if this is what became of it: it may be used again."""
        window = self._windows.get(session)
        if window is not None and message_id in window.entries and window.entries[message_id][1] is value:
            del window.entries[message_id]
            self._count -= 1

    def forget(self, session: str) -> None:
        """Forgets all ids of a session."""
        window = self._windows.pop(session, None)
        if window is not None:
            self._count -= len(window.entries)

    def _drop_idle(self, now: float) -> None:
        # One for each that comes is enough to keep the idle ones from piling up.
        session = next(iter(self._windows), None)
        if session is not None:
            window = self._windows[session]
            if window.used < now - self._age and not window.pins:
                self.forget(session)

    def _make_room(self, spared: Window[T]) -> None:
        surplus = self._count - self._total
        victims = []
        for session, window in self._windows.items():
            if surplus <= 0:
                break
            if window is not spared and not window.pins:
                victims.append(session)
                surplus -= len(window.entries)
        for session in victims:
            self.forget(session)

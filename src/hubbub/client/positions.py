"""How far this client has come in every log it reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from hubbub.protocol.payloads import Position


class Reading:
    """One log. Everything up to `offset` was received. Offsets of another `era` do not compare with its own."""

    __slots__ = ("epoch", "era", "offset")

    def __init__(self, epoch: str, offset: int, era: int) -> None:
        self.epoch = epoch
        """Empty until the server has named it."""
        self.offset = offset
        self.era = era


class Positions:
    """What was received, by log: what a new connection goes on from, and what tells a repeat from news."""

    def __init__(self) -> None:
        self._readings: dict[str, Reading] = {}
        self._eras = 0

    def __contains__(self, log: object) -> bool:
        return log in self._readings

    def reading(self, log: str) -> Reading | None:
        return self._readings.get(log)

    def get(self, log: str) -> Position | None:
        """The position, None for a log that is not read or whose epoch is unknown."""
        reading = self._readings.get(log)
        return None if reading is None or not reading.epoch else Position(reading.epoch, reading.offset)

    def __iter__(self) -> Iterator[tuple[str, Position]]:
        """Every log with its position."""
        for log, reading in self._readings.items():
            if reading.epoch:
                yield log, Position(reading.epoch, reading.offset)

    def receive(self, log: str, offset: int) -> bool:
        """A stored message came. False when it was had before: drop it."""
        reading = self._readings.get(log)
        if reading is None:
            self._readings[log] = self._new("", offset)
            return True
        if offset <= reading.offset:
            return False
        reading.offset = offset
        return True

    def learn(self, log: str, position: Position) -> None:
        """The server says where this log stands: forward in the same epoch, anywhere in another."""
        reading = self._readings.get(log)
        if reading is None:
            self._readings[log] = self._new(position.epoch, position.offset)
        elif not reading.epoch or reading.epoch == position.epoch:
            reading.epoch = position.epoch
            reading.offset = max(reading.offset, position.offset)
        else:
            self.restart(log, position)

    def restart(self, log: str, position: Position) -> None:
        """Goes on from here, also if it lies before what was received: the log is not what it was."""
        self._readings[log] = self._new(position.epoch, position.offset)

    def forget(self, log: str) -> None:
        """The log is not read any more."""
        self._readings.pop(log, None)

    def keep_only(self, logs: Iterable[str]) -> None:
        """All others are not read any more."""
        kept = set(logs)
        for log in [log for log in self._readings if log not in kept]:
            del self._readings[log]

    def _new(self, epoch: str, offset: int) -> Reading:
        self._eras += 1
        return Reading(epoch, offset, self._eras)

"""Facts by name in memory."""

from __future__ import annotations

from collections.abc import Sequence


class MemoryDirectory:
    """Implements `Directory`. Answers at once; nothing of it outlives the process."""

    def __init__(self) -> None:
        self._values: dict[str, bytes] = {}

    def get(self, name: str) -> bytes | None:
        return self._values.get(name)

    def put(self, name: str, value: bytes) -> None:
        self._values[name] = value

    def create(self, name: str, value: bytes) -> bool:
        if name in self._values:
            return False
        self._values[name] = value
        return True

    def delete(self, name: str) -> None:
        self._values.pop(name, None)

    def names(self, prefix: str) -> Sequence[str]:
        return sorted(name for name in self._values if name.startswith(prefix))

    def close(self) -> None:
        """Nothing is kept."""

"""The text of a document in memory: UTF-16LE bytes in chunks, so that an edit moves little of it."""

from __future__ import annotations

_LARGEST = 32 * 1024
"""Bytes of a chunk above which it is cut in two."""


class TextStore:
    """Positions and lengths count UTF-16 units. Nothing here checks what it is given: `validation` does."""

    __slots__ = ("_at", "_chunk", "_chunks", "_start", "length")

    def __init__(self, text: str = "") -> None:
        """Raises `UnicodeEncodeError` (a `ValueError`) for lone surrogates."""
        units = text.encode("utf-16-le")
        self._chunks = [bytearray(units[at : at + _LARGEST]) for at in range(0, len(units), _LARGEST)] or [bytearray()]
        self.length = len(units) // 2
        # Where the last edit was: the next one is near it, as a rule.
        self._at = 0
        self._chunk = self._chunks[0]
        self._start = 0

    def __str__(self) -> str:
        return b"".join(self._chunks).decode("utf-16-le")

    @property
    def size(self) -> int:
        """Bytes that it takes."""
        return self.length * 2

    def splits(self, position: int) -> bool:
        """Whether the position is inside a surrogate pair."""
        chunk = self._chunk
        offset = position * 2 - self._start
        if not 0 <= offset < len(chunk):
            if not 0 < position < self.length:
                return False
            chunk, offset = self._find(position)
            if offset == len(chunk):
                chunk, offset = self._chunks[self._at + 1], 0
        return chunk[offset + 1] & 0xFC == 0xDC

    def replace(self, position: int, deleted: int, inserted: bytes) -> bool:
        """So many units at a position give way to others, unless that cuts a surrogate pair: then nothing changes."""
        chunk = self._chunk
        offset = position * 2 - self._start
        end = offset + deleted * 2
        if offset >= 0 and end < len(chunk) < _LARGEST - len(inserted):
            # All within the chunk where the last edit was.
            if chunk[offset + 1] & 0xFC == 0xDC or (deleted and chunk[end + 1] & 0xFC == 0xDC):
                return False
            chunk[offset:end] = inserted
            self.length += len(inserted) // 2 - deleted
            return True
        if self.splits(position) or self.splits(position + deleted):
            return False
        self.splice(position, deleted, inserted)
        return True

    def cut(self, start: int, end: int) -> bytes:
        """The units between two positions."""
        parts: list[bytes] = []
        wanted = (end - start) * 2
        chunk, offset = self._find(start)
        at = self._at
        while wanted > 0:
            part = bytes(chunk[offset : offset + wanted])
            parts.append(part)
            wanted -= len(part)
            at += 1
            if wanted > 0:
                chunk, offset = self._chunks[at], 0
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def splice(self, position: int, deleted: int, inserted: bytes) -> None:
        """So many units at a position give way to others."""
        chunk = self._chunk
        offset = position * 2 - self._start
        if not 0 <= offset <= len(chunk):
            chunk, offset = self._find(position)
        end = offset + deleted * 2
        if end <= len(chunk):
            chunk[offset:end] = inserted
        else:
            end -= len(chunk)
            chunk[offset:] = inserted
            self._remove(self._at + 1, end)
        self.length += len(inserted) // 2 - deleted
        if len(chunk) > _LARGEST:
            self._divide(self._at)
        elif not chunk and len(self._chunks) > 1:
            del self._chunks[self._at]
            self._begin()

    def _find(self, position: int) -> tuple[bytearray, int]:
        """The chunk with the position, the last one that may have it not included, and the byte within it.

        It is looked for from where the last edit was.
        """
        chunks, at, start = self._chunks, self._at, self._start
        offset = position * 2
        while offset < start:
            at -= 1
            start -= len(chunks[at])
        while offset > start + len(chunks[at]):
            start += len(chunks[at])
            at += 1
        self._at, self._start = at, start
        self._chunk = chunks[at]
        return self._chunk, offset - start

    def _begin(self) -> None:
        """The next position is looked for from the beginning."""
        self._at = self._start = 0
        self._chunk = self._chunks[0]

    def _remove(self, at: int, left: int) -> None:
        """Takes so many bytes from the beginning of the chunk with this number, and of those behind it."""
        first = at
        while left and left >= len(self._chunks[at]):
            left -= len(self._chunks[at])
            at += 1
        if left:
            del self._chunks[at][:left]
        del self._chunks[first:at]

    def _divide(self, at: int) -> None:
        chunk = self._chunks[at]
        half = _LARGEST // 2
        self._chunks[at : at + 1] = [chunk[start : start + half] for start in range(0, len(chunk), half)]
        self._chunk = self._chunks[at]

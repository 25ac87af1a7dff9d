"""The algebra of changes: CodeMirror's ChangeSet in Python, equal to `@codemirror/state` 6.7 in every result.

A change set says what becomes of a document of a certain length, section by section: so many units are kept, or
so many are replaced by a text. Lengths and positions count UTF-16 units, as JavaScript does; texts are UTF-16LE bytes.
Its JSON is `n` for a kept section, `[d]` for a deletion, `[d, "line", …]` for a replacement by these lines.

Source: https://github.com/codemirror/state (MIT), `src/change.ts`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from hubbub.collab.composing import compose_sections
from hubbub.collab.mapping import map_sections
from hubbub.collab.sections import KEEP, MISMATCH, add

TRANSFORM = "codemirror-changeset/1"
"""Names this algebra where two sides have to agree on it."""

Replacement = tuple[int, int, int, bytes]
"""Its place before, and after, the units deleted there, the text inserted."""


class ChangeSet(Struct, gc=False):
    """Immutable. `sections` has two numbers for each section: its length before, and after, or `KEEP`.

    `texts` has the inserted text of each section, empty where nothing is inserted. Both are taken as they are;
    `read_changes` is for what comes from outside.
    """

    sections: list[int]
    texts: list[bytes]

    @classmethod
    def replace(cls, length: int, position: int, deleted: int, inserted: str) -> ChangeSet:
        """In a document of `length` units: `deleted` units at `position` give way to a text.

        Raises `ValueError` where the document has no such place, or the text lone surrogates.
        """
        after = length - position - deleted
        if position < 0 or deleted < 0 or after < 0:
            raise ValueError(f"{deleted} units at {position} are not within {length}")
        sections: list[int] = []
        texts: list[bytes] = []
        add(sections, texts, position, KEEP)
        text = inserted.encode("utf-16-le")
        add(sections, texts, deleted, len(text) // 2, text)
        add(sections, texts, after, KEEP)
        return cls(sections, texts)

    @classmethod
    def none(cls, length: int) -> ChangeSet:
        """Nothing changes in a document of this length."""
        return cls([length, KEEP], [b""]) if length else cls([], [])

    @property
    def length(self) -> int:
        """Units of the document that this applies to."""
        return sum(self.sections[::2])

    @property
    def new_length(self) -> int:
        """Units of the document that comes of it."""
        sections = self.sections
        return sum(sections[i] if sections[i + 1] < 0 else sections[i + 1] for i in range(0, len(sections), 2))

    @property
    def empty(self) -> bool:
        """Whether nothing changes."""
        sections = self.sections
        return not sections or (len(sections) == 2 and sections[1] < 0)

    def __repr__(self) -> str:
        return f"ChangeSet({self.to_json()!r})"

    def edits(self) -> Sequence[Replacement]:
        """What is replaced, in order."""
        sections = self.sections
        old = new = 0
        edits: list[Replacement] = []
        for at in range(0, len(sections), 2):
            length, inserted = sections[at], sections[at + 1]
            if inserted < 0:
                new += length
            else:
                edits.append((old, new, length, self.texts[at >> 1]))
                new += inserted
            old += length
        return edits

    def apply(self, text: str) -> str:
        """The text that comes of it. Raises `ValueError` for one of another length."""
        units = text.encode("utf-16-le", "surrogatepass")
        if len(units) // 2 != self.length:
            raise ValueError(f"for {self.length} units, and the text has {len(units) // 2}")
        parts: list[bytes] = []
        done = 0
        for old, _, deleted, inserted in self.edits():
            parts += (units[done * 2 : old * 2], inserted)
            done = old + deleted
        parts.append(units[done * 2 :])
        return b"".join(parts).decode("utf-16-le", "surrogatepass")

    def invert(self, text: str) -> ChangeSet:
        """What takes it back; `text` is the document before."""
        units = text.encode("utf-16-le", "surrogatepass")
        return self.invert_units(lambda start, end: units[start * 2 : end * 2])

    def invert_units(self, cut: Any) -> ChangeSet:
        """The same, where `cut(start, end)` gives UTF-16LE bytes of the document before."""
        sections = self.sections.copy()
        texts = [b""] * len(self.texts)
        place = 0
        for at in range(0, len(sections), 2):
            length, inserted = sections[at], sections[at + 1]
            if inserted >= 0:
                sections[at], sections[at + 1] = inserted, length
                if length:
                    texts[at >> 1] = bytes(cut(place, place + length))
            place += length
        return ChangeSet(sections, texts)

    def compose(self, other: ChangeSet) -> ChangeSet:
        """Both as one: `other` applies to what comes of this. Raises `ValueError` where it does not."""
        if self.empty or other.empty:
            if self.new_length != other.length:
                raise ValueError(MISMATCH)
            return other if self.empty else self
        return ChangeSet(*compose_sections((self.sections, self.texts), (other.sections, other.texts)))

    def map(self, other: ChangeSet, before: bool = False) -> ChangeSet:
        """This, made at the same time as `other`, as it applies after it. Raises `ValueError` for other lengths.

        Of two inserts at one place this one's comes first with `before`.
        """
        if self.length != other.length:
            raise ValueError(MISMATCH)
        if other.empty:
            return self
        return ChangeSet(*map_sections((self.sections, self.texts), other.sections, before))

    def map_position(self, position: int, assoc: int = -1) -> int:
        """Where a position goes. With text inserted right there it stays before it, or with `assoc` 1 goes after.

        Raises `ValueError` for one outside the document.
        """
        old = new = 0
        sections = self.sections
        for at in range(0, len(sections), 2):
            length, inserted = sections[at], sections[at + 1]
            end = old + length
            if inserted < 0:
                if end > position:
                    return new + (position - old)
                new += length
            else:
                if end > position or (end == position and assoc < 0 and not length):
                    return new if position == old or assoc < 0 else new + inserted
                new += inserted
            old = end
        if position > old:
            raise ValueError(f"position {position} is outside {old} units")
        return new

    def to_json(self) -> list[Any]:
        """As a tree of numbers, lists and strings."""
        parts: list[Any] = []
        sections = self.sections
        for at in range(0, len(sections), 2):
            length, inserted = sections[at], sections[at + 1]
            if inserted < 0:
                parts.append(length)
            elif inserted == 0:
                parts.append([length])
            else:
                parts.append([length, *self.texts[at >> 1].decode("utf-16-le", "surrogatepass").split("\n")])
        return parts


def compose_all(changes: Sequence[ChangeSet]) -> ChangeSet:
    """Several in a row as one; there must be one at least. Halves are composed first, so that it stays quick."""
    if len(changes) == 1:
        return changes[0]
    middle = len(changes) // 2
    return compose_all(changes[:middle]).compose(compose_all(changes[middle:]))

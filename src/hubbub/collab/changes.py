"""The algebra of changes: CodeMirror's ChangeSet in Python, equal to `@codemirror/state` 6.7 in every result.

A change set says what becomes of a document of a certain length, section by section: so many units are kept, or
so many are replaced by a text. Lengths and positions count UTF-16 units, as JavaScript does; texts are UTF-16LE bytes.
Its JSON is `n` for a kept section, `[d]` for a deletion, `[d, "line", …]` for a replacement by these lines.

Source: https://github.com/codemirror/state (MIT), `src/change.ts`. The order in which it looks at two sets decides
what comes of them, so that the loops here follow those there step by step.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import Struct

TRANSFORM = "codemirror-changeset/1"
"""Names this algebra where two sides have to agree on it."""

KEEP = -1

_END = -2

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
        _add(sections, texts, position, KEEP)
        text = inserted.encode("utf-16-le")
        _add(sections, texts, deleted, len(text) // 2, text)
        _add(sections, texts, after, KEEP)
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
                raise ValueError(_MISMATCH)
            return other if self.empty else self
        return _compose(self, other)

    def map(self, other: ChangeSet, before: bool = False) -> ChangeSet:
        """This, made at the same time as `other`, as it applies after it. Raises `ValueError` for other lengths.

        Of two inserts at one place this one's comes first with `before`.
        """
        if self.length != other.length:
            raise ValueError(_MISMATCH)
        return self if other.empty else _map(self, other, before)

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


_MISMATCH = "the change sets are for documents of different lengths"


def compose_all(changes: Sequence[ChangeSet]) -> ChangeSet:
    """Several in a row as one; there must be one at least. Halves are composed first, so that it stays quick."""
    if len(changes) == 1:
        return changes[0]
    middle = len(changes) // 2
    return compose_all(changes[:middle]).compose(compose_all(changes[middle:]))


def _add(sections: list[int], texts: list[bytes], length: int, inserted: int, text: bytes = b"") -> None:
    """Adds a section, joined with the last one where they are of one kind. `text` is what is inserted."""
    if length == 0 and inserted <= 0:
        return
    if sections:
        if inserted <= 0 and inserted == sections[-1]:
            sections[-2] += length
            return
        if length == 0 and sections[-2] == 0:
            sections[-1] += inserted
            texts[-1] += text
            return
    sections += (length, inserted)
    texts.append(text)


def _join(sections: list[int], texts: list[bytes], length: int, inserted: int, text: bytes) -> None:
    """The same for a section that belongs to the last one whatever their kinds are."""
    if length == 0 and inserted <= 0:
        return
    if not (inserted <= 0 and inserted == sections[-1]) and not (length == 0 and sections[-2] == 0):
        sections[-2] += length
        sections[-1] += inserted
        texts[-1] += text
    else:
        _add(sections, texts, length, inserted, text)


def _map(first: ChangeSet, second: ChangeSet, before: bool) -> ChangeSet:  # noqa: PLR0912, PLR0915
    """`first` as it applies after `second`.

    Both are walked at once. `a_` and `b_` are what is left of the section where each of them is: its number times
    two plus two, its length, the units that it inserts, `KEEP` or `_END`, and how much of it was passed. `done` is
    the section of the first whose text is out, though it is taken piece by piece.
    """
    sections: list[int] = []
    texts: list[bytes] = []
    a_sections, b_sections = first.sections, second.sections
    a_count, b_count = len(a_sections), len(b_sections)
    a_i = b_i = a_off = 0
    a_len = b_len = 0
    a_ins = b_ins = _END
    if a_count:
        a_len, a_ins, a_i = a_sections[0], a_sections[1], 2
    if b_count:
        b_len, b_ins, b_i = b_sections[0], b_sections[1], 2
    done = -1
    while a_ins != _END or b_ins != _END:
        if a_ins == KEEP and b_ins == KEEP:
            piece = min(a_len, b_len)
            _add(sections, texts, piece, KEEP)
            a_step = b_step = piece
        elif b_ins >= 0 and (
            a_ins < 0 or done == a_i or (a_off == 0 and (b_len < a_len or (b_len == a_len and not before)))
        ):
            # What the second changes comes first: pass it, and whatever of the first it covers.
            _add(sections, texts, b_ins, KEEP)
            left = b_len
            while left:
                piece = min(a_len, left)
                if a_ins >= 0 and done < a_i and a_len <= piece:
                    _add(sections, texts, 0, a_ins, first.texts[(a_i - 2) >> 1])
                    done = a_i
                left -= piece
                if piece == a_len:
                    if a_i < a_count:
                        a_len, a_ins, a_i, a_off = a_sections[a_i], a_sections[a_i + 1], a_i + 2, 0
                    else:
                        a_len, a_ins, a_off = 0, _END, 0
                        if left:
                            raise ValueError(_MISMATCH)
                else:
                    a_len -= piece
                    a_off += piece
            a_step, b_step = -1, b_len
        elif a_ins >= 0:
            # A change of the first, up to where the second inserts something within it.
            length, left = 0, a_len
            while left:
                if b_ins == KEEP:
                    piece = min(left, b_len)
                    length += piece
                    left -= piece
                elif b_ins == 0 and b_len < left:
                    piece = b_len
                    left -= piece
                else:
                    break
                if piece == b_len:
                    if b_i < b_count:
                        b_len, b_ins, b_i = b_sections[b_i], b_sections[b_i + 1], b_i + 2
                    else:
                        b_len, b_ins = 0, _END
                else:
                    b_len -= piece
            if done < a_i:
                _add(sections, texts, length, a_ins, first.texts[(a_i - 2) >> 1])
            else:
                _add(sections, texts, length, 0)
            done = a_i
            a_step, b_step = a_len - left, -1
            if left and b_ins == _END:
                raise ValueError(_MISMATCH)
        else:
            raise ValueError(_MISMATCH)
        if a_step >= 0:
            if a_step == a_len:
                if a_i < a_count:
                    a_len, a_ins, a_i, a_off = a_sections[a_i], a_sections[a_i + 1], a_i + 2, 0
                else:
                    a_len, a_ins, a_off = 0, _END, 0
            else:
                a_len -= a_step
                a_off += a_step
        if b_step >= 0:
            if b_step == b_len:
                if b_i < b_count:
                    b_len, b_ins, b_i = b_sections[b_i], b_sections[b_i + 1], b_i + 2
                else:
                    b_len, b_ins = 0, _END
            else:
                b_len -= b_step
    return ChangeSet(sections, texts)


class _Cursor:
    """Where one walks through a change set, for `_compose`."""

    __slots__ = ("at", "changes", "ins", "len", "off")

    def __init__(self, changes: ChangeSet) -> None:
        self.changes = changes
        self.at = 0
        self.next()

    def next(self) -> None:
        sections = self.changes.sections
        if self.at < len(sections):
            self.len = sections[self.at]
            self.ins = sections[self.at + 1]
            self.at += 2
        else:
            self.len, self.ins = 0, _END
        self.off = 0

    @property
    def text(self) -> bytes:
        return self.changes.texts[(self.at - 2) >> 1]

    def forward(self, length: int) -> None:
        """Passes so many units of the document before."""
        if length == self.len:
            self.next()
        else:
            self.len -= length
            self.off += length

    def forward_after(self, length: int) -> None:
        """Passes so many units of the document after."""
        if self.ins == KEEP:
            self.forward(length)
        elif length == self.ins:
            self.next()
        else:
            self.ins -= length
            self.off += length


def _compose(first: ChangeSet, second: ChangeSet) -> ChangeSet:
    """`first`, then `second`. `joined` says that a replacement goes on that was begun by the last section."""
    sections: list[int] = []
    texts: list[bytes] = []
    a, b = _Cursor(first), _Cursor(second)
    joined = False
    while a.ins != _END or b.ins != _END:
        add = _join if joined else _add
        if a.ins == 0:
            add(sections, texts, a.len, 0, b"")
            a.next()
        elif b.len == 0 and b.ins != _END:
            add(sections, texts, 0, b.ins, b.text)
            b.next()
        elif _END in (a.ins, b.ins):
            raise ValueError(_MISMATCH)
        else:
            before = len(sections)
            piece = min(a.len if a.ins < 0 else a.ins, b.len)
            if a.ins == KEEP:
                inserted = KEEP if b.ins == KEEP else 0 if b.off else b.ins
                add(sections, texts, piece, inserted, b.text if inserted > 0 else b"")
            elif b.ins == KEEP:
                text = a.text[a.off * 2 : (a.off + piece) * 2]
                add(sections, texts, 0 if a.off else a.len, piece, text)
            else:
                inserted, text = (0, b"") if b.off else (b.ins, b.text)
                add(sections, texts, 0 if a.off else a.len, inserted, text)
            goes_on = a.ins > piece or (b.ins >= 0 and b.len > piece)
            joined = goes_on and (joined or len(sections) > before)
            a.forward_after(piece)
            b.forward(piece)
    return ChangeSet(sections, texts)

"""Two change sets in a row as one: `composeSets` of `@codemirror/state`.

Source: https://github.com/codemirror/state (MIT), `src/change.ts`, which the loop here follows step by step.
"""

from __future__ import annotations

from hubbub.collab.sections import END, KEEP, MISMATCH, Sections, add, join


class _Cursor:
    """Where one walks through a change set."""

    __slots__ = ("at", "ins", "len", "off", "sections", "texts")

    def __init__(self, given: Sections) -> None:
        self.sections, self.texts = given
        self.at = 0
        self.next()

    def next(self) -> None:
        sections = self.sections
        if self.at < len(sections):
            self.len = sections[self.at]
            self.ins = sections[self.at + 1]
            self.at += 2
        else:
            self.len, self.ins = 0, END
        self.off = 0

    @property
    def text(self) -> bytes:
        return self.texts[(self.at - 2) >> 1]

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


def compose_sections(first: Sections, second: Sections) -> Sections:
    """`first`, then `second`. Raises `ValueError` for other lengths.

    `joined` says that a replacement goes on that was begun by the last section."""
    sections: list[int] = []
    texts: list[bytes] = []
    a, b = _Cursor(first), _Cursor(second)
    joined = False
    while a.ins != END or b.ins != END:
        put = join if joined else add
        if a.ins == 0:
            put(sections, texts, a.len, 0, b"")
            a.next()
        elif b.len == 0 and b.ins != END:
            put(sections, texts, 0, b.ins, b.text)
            b.next()
        elif END in (a.ins, b.ins):
            raise ValueError(MISMATCH)
        else:
            before = len(sections)
            piece = min(a.len if a.ins < 0 else a.ins, b.len)
            if a.ins == KEEP:
                inserted = KEEP if b.ins == KEEP else 0 if b.off else b.ins
                put(sections, texts, piece, inserted, b.text if inserted > 0 else b"")
            elif b.ins == KEEP:
                text = a.text[a.off * 2 : (a.off + piece) * 2]
                put(sections, texts, 0 if a.off else a.len, piece, text)
            else:
                inserted, text = (0, b"") if b.off else (b.ins, b.text)
                put(sections, texts, 0 if a.off else a.len, inserted, text)
            goes_on = a.ins > piece or (b.ins >= 0 and b.len > piece)
            joined = goes_on and (joined or len(sections) > before)
            a.forward_after(piece)
            b.forward(piece)
    return sections, texts

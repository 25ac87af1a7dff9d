"""The sections of a change set, as two lists: two numbers for each, its length before and after, and its text.

The length after is `KEEP` where the section is kept. The texts are UTF-16LE, empty where nothing is inserted.
"""

from __future__ import annotations

KEEP = -1

END = -2
"""What walks through sections is behind the last one."""

MISMATCH = "the change sets are for documents of different lengths"

Sections = tuple[list[int], list[bytes]]
"""Numbers and texts."""


def add(sections: list[int], texts: list[bytes], length: int, inserted: int, text: bytes = b"") -> None:
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


def join(sections: list[int], texts: list[bytes], length: int, inserted: int, text: bytes) -> None:
    """The same for a section that belongs to the last one whatever their kinds are."""
    if length == 0 and inserted <= 0:
        return
    if not (inserted <= 0 and inserted == sections[-1]) and not (length == 0 and sections[-2] == 0):
        sections[-2] += length
        sections[-1] += inserted
        texts[-1] += text
    else:
        add(sections, texts, length, inserted, text)

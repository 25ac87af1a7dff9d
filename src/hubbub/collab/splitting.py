"""An operation that is too large for one message, in parts that are not."""

from __future__ import annotations

from hubbub.collab.changes import ChangeSet
from hubbub.collab.sections import KEEP

MOST = 8 * 1024
"""Size of a part, counted as the server counts, with room for what JSON makes of it."""


def split(changes: ChangeSet, most: int = MOST) -> tuple[ChangeSet, ChangeSet | None]:
    """The first part, and the rest, which applies after it; None when it is all.

    Both together are what the whole was. No surrogate pair is cut. `most` is 8 at least.
    """
    room = most
    length = 0
    for at in range(0, len(changes.sections), 2):
        text = changes.texts[at >> 1]
        room -= 2 + len(text) // 2
        if room < 0 and (at or len(text) // 2 > most):
            return _cut(changes, at, max(0, room + len(text) // 2), length)
        inserted = changes.sections[at + 1]
        length += changes.sections[at] if inserted < 0 else inserted
    return changes, None


def _cut(changes: ChangeSet, at: int, units: int, length: int) -> tuple[ChangeSet, ChangeSet | None]:
    """Before the section `at`, but for so many of the units that it inserts; `length` is what comes of those before."""
    sections, texts = changes.sections, changes.texts
    text = texts[at >> 1]
    if 0 < units < len(text) // 2 and text[units * 2 + 1] & 0xFC == 0xDC:
        units -= 1
    first, first_texts = sections[:at], texts[: at >> 1]
    rest, rest_texts = sections[at:], texts[at >> 1 :]
    if units:
        first += [rest[0], units]
        first_texts.append(text[: units * 2])
        length += units
        rest = [0, rest[1] - units, *rest[2:]]
        rest_texts = [text[units * 2 :], *rest_texts[1:]]
    after = sum(sections[at + 2 :: 2]) if units else sum(sections[at::2])
    if after:
        first += [after, KEEP]
        first_texts.append(b"")
    if length:
        rest = [length, KEEP, *rest]
        rest_texts = [b"", *rest_texts]
    return ChangeSet(first, first_texts), ChangeSet(rest, rest_texts)

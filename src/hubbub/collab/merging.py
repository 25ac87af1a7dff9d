"""Comparing two texts, where nobody can say how one became the other."""

from __future__ import annotations

from difflib import SequenceMatcher

from hubbub.collab.changes import ChangeSet, compose_all

_MOST = 4_000_000
"""Lines of one text times lines of the other up to which they are compared line by line."""


def difference(before: str, after: str) -> ChangeSet:
    """Changes that make one text of the other: as few lines as can be found, and within one line its middle."""
    start, end = _common(before, after)
    old, new = before[start : len(before) - end], after[start : len(after) - end]
    length = _units(before)
    place = _units(before[:start])
    old_lines, new_lines = old.splitlines(keepends=True), new.splitlines(keepends=True)
    if len(old_lines) * len(new_lines) > _MOST or len(old_lines) < 2 or len(new_lines) < 2:
        return ChangeSet.replace(length, place, _units(old), new)
    changes = [ChangeSet.none(length)]
    # Compared text by text from the end, so that the places before stay where they are.
    matcher = SequenceMatcher(None, old_lines, new_lines, autojunk=False)
    for kind, old_start, old_end, new_start, new_end in reversed(matcher.get_opcodes()):
        if kind != "equal":
            at = place + _units("".join(old_lines[:old_start]))
            gone = _units("".join(old_lines[old_start:old_end]))
            text = "".join(new_lines[new_start:new_end])
            changes.append(ChangeSet.replace(changes[-1].new_length, at, gone, text))
    return compose_all(changes)


def _common(before: str, after: str) -> tuple[int, int]:
    """How many characters both begin with, and how many of the rest they end with."""
    most = min(len(before), len(after))
    start = 0
    while start < most and before[start] == after[start]:
        start += 1
    end = 0
    while end < most - start and before[-1 - end] == after[-1 - end]:
        end += 1
    return start, end


def _units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2

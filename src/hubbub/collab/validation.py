"""What is checked of an operation before anything is done with it. Every error names the field."""

from __future__ import annotations

from codecs import utf_16_le_encode
from collections.abc import Iterable
from typing import Any

from hubbub import BadMessage
from hubbub.collab.changes import ChangeSet
from hubbub.collab.sections import KEEP
from hubbub.collab.texts import TextStore

MOST_UNITS = 32 * 1024
"""Size of an operation: each inserted unit counts 1 and each part 2, so that it is never more than its JSON."""

_FIELD = "payload.operation"
_encode = utf_16_le_encode


def read_changes(parts: Any, length: int | None = None, *, most: int = MOST_UNITS) -> ChangeSet:
    """The change set that a ChangeSet JSON stands for, for a document of `length` units where that is known.

    The result is what CodeMirror would make of it. Raises `BadMessage`: `invalid_message` for what is no change
    set, does not fit the document, or has lone surrogates or line breaks within a line, `too_large` above `most`.
    """
    changes = _read_key(parts, most)
    if changes is None:
        changes = _read(parts, most)
    if length is not None and changes.length != length:
        raise _invalid(_FIELD, f"is for {changes.length} units, and the document has {length} at that revision")
    return changes


def _read_key(parts: Any, most: int) -> ChangeSet | None:
    """What one key makes, as a rule: within a text some units give way to a piece of a line. None for all else."""
    if type(parts) is not list or len(parts) != 3:
        return None
    before, part, after = parts
    if type(before) is not int or type(part) is not list or type(after) is not int or not 0 < len(part) < 3:
        return None
    deleted, line = part if len(part) == 2 else (part[0], "")
    if type(deleted) is not int or type(line) is not str or before < 1 or after < 1 or deleted < 0:
        return None
    if not (line or deleted) or "\n" in line or "\r" in line or 2 * len(line) + 6 > most:
        return None
    try:
        text = _encode(line)[0]
    except UnicodeEncodeError:
        return None
    return ChangeSet([before, KEEP, deleted, len(text) // 2, after, KEEP], [b"", text, b""])


def _read(parts: Any, most: int) -> ChangeSet:
    if not isinstance(parts, list):
        raise _invalid(_FIELD, "is a list of numbers and lists")
    if 2 * len(parts) > most:
        raise _too_large(most)
    sections: list[int] = []
    texts: list[bytes] = []
    for part in parts:
        if type(part) is int:
            if part < 1:
                raise _invalid(f"{_FIELD}[{len(texts)}]", "keeps 1 unit at least")
            sections += (part, KEEP)
            texts.append(b"")
            continue
        text = _replaced(part, len(texts))
        most -= len(text) // 2
        sections += (part[0], len(text) // 2)
        texts.append(text)
    if most < 2 * len(parts):
        raise _too_large(MOST_UNITS)
    return ChangeSet(sections, texts)


def _replaced(part: Any, place: int) -> bytes:
    where = f"{_FIELD}[{place}]"
    if not isinstance(part, list) or not part or type(part[0]) is not int:
        raise _invalid(where, "is a number, or a list of a number and lines")
    if part[0] < 0:
        raise _invalid(where, "deletes 0 units at least")
    if len(part) == 2 and type(part[1]) is str:
        text = part[1]
        if "\n" in text or "\r" in text:
            raise _invalid(where, "has a line break within a line")
    else:
        for line in part[1:]:
            if type(line) is not str:
                raise _invalid(where, "is a number, or a list of a number and lines")
            if "\n" in line or "\r" in line:
                raise _invalid(where, "has a line break within a line")
        text = "\n".join(part[1:])
    if not text and not part[0]:
        raise _invalid(where, "changes nothing")
    try:
        return _encode(text)[0]
    except UnicodeEncodeError:
        raise _invalid(where, "has a lone surrogate") from None


def check_pairs(edits: Iterable[tuple[int, int, int, bytes]], text: TextStore) -> None:
    """Raises `BadMessage` (`invalid_message`) where one of these edits of a text would cut a surrogate pair."""
    splits = text.splits
    for old, _, deleted, _ in edits:
        if splits(old) or (deleted and splits(old + deleted)):
            raise cut_pair()


def cut_pair() -> BadMessage:
    """What an operation is refused with that would leave half of a surrogate pair."""
    return _invalid(_FIELD, "cuts a surrogate pair")


def _invalid(field: str, reason: str) -> BadMessage:
    return BadMessage("invalid_message", reason, field=field)


def _too_large(most: int) -> BadMessage:
    return BadMessage("too_large", f"an operation has at most {most} units: send it in parts", field=_FIELD)

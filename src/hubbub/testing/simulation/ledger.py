"""What everybody did to a document, so that its text can be judged: every character inserted is nowhere else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from hubbub.collab.document import Document
from hubbub.collab.records import decode_record
from hubbub.ports import Page

_PLANE = 0x4E00
_HIGH_PLANE = 0x20000
"""Where characters are taken from: of three, one is a pair in UTF-16."""


class Ledger:
    """At rest an inserted character is in the text exactly once, unless somebody deleted it."""

    def __init__(self) -> None:
        self._inserted: set[str] = set()
        self._deleted: set[str] = set()
        self._put_back: set[str] = set()

    def insert(self, document: Document, place: float, count: int = 1) -> str:
        """Inserts new characters at a place between 0, the beginning, and 1. Returns them."""
        text = "".join(self.character() for _ in range(count))
        document.insert(round(place * len(document.text)), text)
        return text

    def delete(self, document: Document, place: float, count: int) -> str:
        """Deletes as many characters, or those that are there. Returns them."""
        start = round(place * len(document.text))
        gone = document.text[start : start + count]
        self._deleted |= set(gone)
        document.delete(start, start + len(gone))
        return gone

    def undo(self, document: Document, *, again: bool = False) -> None:
        """Its author's last edit; with `again` it is done again."""
        before = Counter(document.text)
        document.redo() if again else document.undo()
        after = Counter(document.text)
        self._deleted |= set(before - after)
        # What was deleted may be put back by everyone who deleted it.
        self._put_back |= set(after - before)

    def character(self) -> str:
        """One that was not used yet, for an insert of one's own."""
        number = len(self._inserted) + 1
        character = chr((_HIGH_PLANE if number % 3 == 0 else _PLANE) + number)
        self._inserted.add(character)
        return character

    def judge(self, text: str) -> Iterator[str]:
        """What is wrong with a text that has everybody's edits."""
        counted = Counter(text)
        for character in sorted(self._inserted - self._put_back):
            count = counted[character]
            if count > 1:
                yield f"{character!r} was inserted once, and is in the text {count} times"
            elif count == 0 and character not in self._deleted:
                yield f"{character!r} was inserted, deleted by nobody, and is not in the text"
        for character in sorted(set(counted) - self._inserted):
            yield f"{character!r} is in the text, and nobody inserted it"


def judge_log(page: Page) -> Iterator[str]:
    """Every operation of an author is in a document's log once, in its order, at revisions that grow."""
    revisions = [offset for offset, _ in page.entries]
    if revisions != sorted(set(revisions)):
        yield "the revisions of the log do not grow"
    had: dict[str, int] = {}
    for revision, data in page.entries:
        record = decode_record(data)
        if record.seq <= had.get(record.client_id, 0):
            yield f"operation {record.seq} of {record.client_id} is in the log again, at {revision}"
        had[record.client_id] = record.seq

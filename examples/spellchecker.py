"""A program that edits a document like a person: it mends what it knows to be misspelt, while others type.

    hubbub serve --anonymous
    python examples/spellchecker.py notes

It leaves alone the word that somebody is typing, shows where it is at work, and can be undone by nobody but itself.
"""

from __future__ import annotations

import asyncio
import re
import sys

from hubbub import connect
from hubbub.collab import Document, open_document

MENDED = {
    "adn": "and",
    "becuase": "because",
    "definately": "definitely",
    "recieve": "receive",
    "seperate": "separate",
    "teh": "the",
    "wich": "which",
}
PATIENCE = 0.5
"""Seconds of quiet before a word counts as written."""

_word = re.compile(r"\w+")


def mistakes(text: str) -> list[tuple[int, int, str]]:
    """Where each misspelt word begins and ends, and what it is to be. A word at the very end may go on."""
    found = []
    for match in _word.finditer(text):
        word = match.group()
        right = MENDED.get(word.lower())
        if right is not None and match.end() < len(text):
            found.append((match.start(), match.end(), right.capitalize() if word[0].isupper() else right))
    return found


def mend(document: Document) -> int:
    """Mends every mistake, the last one first, so that the places before it stay where they are."""
    found = mistakes(document.text)
    for start, end, right in reversed(found):
        document.point(start, end)
        document.replace(start, end, right)
    return len(found)


async def watch(document: Document) -> None:
    """Mends whenever the others have been quiet for a moment."""
    changed = asyncio.Event()
    document.on("change", lambda _: changed.set())
    mend(document)
    while True:
        await changed.wait()
        changed.clear()
        try:
            async with asyncio.timeout(PATIENCE):
                await changed.wait()
        except TimeoutError:
            if count := mend(document):
                await document.saved()
                print(f"mended {count} in {document.id}, revision {document.revision}", flush=True)


async def main(document: str, url: str = "ws://127.0.0.1:8000/ws") -> None:
    async with (
        connect(url, user="spellchecker") as client,
        open_document(client, document, name="Spell checker", colour="#7a3ea8") as opened,
    ):
        await watch(opened)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))

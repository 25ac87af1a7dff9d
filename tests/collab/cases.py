"""Random documents and change sets: short ones over an alphabet with line breaks and astral characters."""

from __future__ import annotations

import random

from hypothesis import strategies as st

from hubbub.collab.changes import ChangeSet
from hubbub.collab.sections import add

ALPHABET = "ab\n🙂é"
LONE = "\ud83d\ude42"
"""Halves of a pair: the algebra takes them as any other unit."""


def units(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def random_text(rng: random.Random, most: int = 12, alphabet: str = ALPHABET) -> str:
    return "".join(rng.choice(alphabet) for _ in range(rng.randrange(most + 1)))


def random_changes(rng: random.Random, length: int, alphabet: str = ALPHABET) -> ChangeSet:
    """A change set as CodeMirror makes them: sections of one kind that meet are one section."""
    sections: list[int] = []
    texts: list[bytes] = []
    left = length
    while left or rng.random() < 0.3:
        kind = rng.randrange(4)
        piece = rng.randint(1, left) if left else 0
        text = random_text(rng, 3, alphabet).encode("utf-16-le", "surrogatepass")
        if kind == 0:
            add(sections, texts, piece, -1)
        elif kind == 1:
            add(sections, texts, piece, 0)
        elif kind == 2:
            add(sections, texts, 0, len(text) // 2, text)
            piece = 0
        else:
            add(sections, texts, piece, len(text) // 2, text)
        left -= piece
        if rng.random() < 0.1:
            break
    add(sections, texts, left, -1)
    return ChangeSet(sections, texts)


@st.composite
def documents(draw: st.DrawFn, most: int = 12) -> str:
    return draw(st.text(ALPHABET, max_size=most))


@st.composite
def change_sets(draw: st.DrawFn, length: int) -> ChangeSet:
    """A change set of a document of this length; it may cut surrogate pairs."""
    sections: list[int] = []
    texts: list[bytes] = []
    left = length
    for kind in draw(st.lists(st.sampled_from(["keep", "delete", "insert", "replace"]), max_size=6)):
        piece = draw(st.integers(0, left))
        text = draw(st.text(ALPHABET, max_size=3)).encode("utf-16-le")
        if kind == "keep":
            add(sections, texts, piece, -1)
        elif kind == "delete":
            add(sections, texts, piece, 0)
        elif kind == "insert":
            piece = 0
            add(sections, texts, 0, len(text) // 2, text)
        else:
            add(sections, texts, piece, len(text) // 2, text)
        left -= piece
    add(sections, texts, left, -1)
    return ChangeSet(sections, texts)

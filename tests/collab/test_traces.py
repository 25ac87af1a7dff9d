"""Real keystrokes through real sockets, byte by byte as they were."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from hubbub import Hubbub, connect
from hubbub.collab import Document, Documents, open_document
from tests.collab.traces import Author, load, views
from tests.sockets import serving, ws


def expected(transactions: Sequence[Any]) -> str:
    text: list[str] = []
    for transaction in transactions:
        for position, deleted, inserted in transaction["patches"]:
            text[position : position + deleted] = inserted
    return "".join(text)


async def play(transactions: Sequence[Any], wanted: str, place: str) -> None:
    """One author types, another one looks on."""
    app = Hubbub(anonymous=True, port=0, log=place)
    documents = Documents(app)
    async with serving(app), connect(ws(app), user="ann") as client, connect(ws(app), user="bob") as other:
        async with open_document(client, "d") as document, open_document(other, "d") as seen:
            for number, transaction in enumerate(transactions):
                for position, deleted, inserted in transaction["patches"]:
                    document.splice(position, deleted, inserted)
                if number % 20 == 0:
                    # As if one typed fast, and not all at once.
                    await asyncio.sleep(0)
            await document.saved()
            assert document.text == wanted
            async with asyncio.timeout(30):
                while seen.revision < document.revision:
                    await asyncio.sleep(0.01)
            assert seen.text == wanted
            assert await documents.text("d") == wanted


async def test_the_beginning_of_a_trace(tmp_path: Path) -> None:
    transactions = load("sveltecomponent")["txns"][:3000]
    await play(transactions, expected(transactions), f"sqlite:///{tmp_path}/hub.db")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["sveltecomponent", "friendsforever_flat", "automerge-paper"])
async def test_one_author(name: str, tmp_path: Path) -> None:
    trace = load(name)
    assert not trace["startContent"]
    await play(trace["txns"], trace["endContent"], f"sqlite:///{tmp_path}/hub.db")


async def play_two(count: int | None) -> tuple[str, str]:
    """Both authors of the concurrent trace, each transaction an operation; agent 0 has the smaller client id."""
    trace = load("friendsforever")
    app = Hubbub(anonymous=True, port=0)
    documents = Documents(app)
    async with serving(app), connect(ws(app), user="ann") as first, connect(ws(app), user="bob") as second:
        authors = []
        for place, client in enumerate((first, second)):
            document = Document(client, "d", author=f"{place:08x}")
            await document.opened()
            authors.append(Author(document, place == 0))
        counts = [0, 0]
        transactions = trace["txns"][:count]
        for transaction, view in zip(transactions, views(trace), strict=False):
            agent = transaction["agent"]
            await authors[agent].play(transaction["patches"], view)
            counts[agent] += 1
        for author, seen in zip(authors, reversed(counts), strict=True):
            await author.see_all(seen)
        text = await documents.text("d")
        assert [author.document.text for author in authors] == [text, text]
        return text, trace["endContent"]


async def test_two_authors_for_a_while() -> None:
    await play_two(1500)


@pytest.mark.slow
async def test_two_authors_agent_0_winning_ties() -> None:
    text, wanted = await play_two(None)
    assert text == wanted

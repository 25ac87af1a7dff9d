"""How a program comes to a document."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from hubbub import Client
from hubbub.collab.document import Document


@asynccontextmanager
async def open_document(
    client: Client, id: str, *, name: str = "", colour: str = "", author: str = ""
) -> AsyncIterator[Document]:
    """Opens a document, and closes it when the block ends, after everything was saved unless the block failed.

        async with connect(url) as client, open_document(client, "notes") as notes:
            notes.insert(0, "Hello")

    Raises what the server answers (`not_found`, `forbidden`). Without a connection it waits for one.
    """
    document = Document(client, id, name=name, colour=colour, author=author)
    try:
        await document.opened()
        yield document
        await document.saved()
    finally:
        await document.close()

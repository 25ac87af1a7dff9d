"""The example, run as a user runs it, beside somebody who types."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

from hubbub import Hubbub, connect
from hubbub.collab import Documents, open_document
from tests.sockets import serving, ws

EXAMPLE = Path(__file__).parents[2] / "examples/spellchecker.py"


async def test_it_mends_what_others_type() -> None:
    app = Hubbub(anonymous=True, port=0)
    documents = Documents(app)
    async with serving(app), connect(ws(app), user="ann") as client, open_document(client, "notes") as notes:
        notes.insert(0, "Teh cat, ")
        checker = await asyncio.create_subprocess_exec(sys.executable, str(EXAMPLE), "notes", ws(app), stdout=PIPE)
        try:
            async with asyncio.timeout(20):
                while notes.text != "The cat, ":
                    await asyncio.sleep(0.01)
                notes.insert(len(notes.text), "wich I recieve 🙂 becuase\nI am definately")
                while "receive 🙂 because" not in notes.text:
                    await asyncio.sleep(0.01)
                assert notes.text == "The cat, which I receive 🙂 because\nI am definately", "a word may go on"
                notes.insert(len(notes.text), ".")
                while not notes.text.endswith("definitely."):
                    await asyncio.sleep(0.01)
                assert {one.name for one in notes.pointers.values()} == {"Spell checker"}
            assert notes.undo()
            assert notes.text.endswith("definitely"), "what it did is not ours to undo"
            await notes.saved()
            assert await documents.text("notes") == notes.text
        finally:
            checker.terminate()
            await checker.communicate()

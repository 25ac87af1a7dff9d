"""What another node appended is taken in order, whatever of it was not told, or was told at the wrong moment."""

from __future__ import annotations

import asyncio
from typing import Any

from hubbub.backends.memory.log import MemoryLog
from hubbub.backends.memory.shared import SharedMemoryLog
from hubbub.backends.memory.snapshots import MemorySnapshots
from hubbub.collab.archive import Archive
from hubbub.collab.following import SILENCE, Following
from hubbub.collab.live import LiveDocument
from hubbub.collab.options import DocumentOptions
from hubbub.collab.records import Record, encode_record
from hubbub.collab.tasks import Tasks
from hubbub.collab.window import Edit
from hubbub.ports import Append
from hubbub.testing.loop import virtual
from tests.collab.test_authority import Heard
from tests.collab.world import EVERYTHING


class Scene:
    """One document that is followed, and a log that others write to, who tell of it or do not."""

    def __init__(self) -> None:
        self.log = SharedMemoryLog(MemoryLog(retention=EVERYTHING))
        self.archive = Archive(self.log, MemorySnapshots(), DocumentOptions())  # type: ignore[arg-type]
        self.reloads = 0
        self.document: LiveDocument
        self.is_there = True
        self.length = 0
        self.following = Following(
            self.log, self.archive, Tasks(), find=self._find, take_in=self._take_in, reload=self._reload
        )

    async def begin(self) -> Scene:
        await self.following.begin("d")
        loaded = await self.archive.load("d", create=True, now=0.0)
        self.document = LiveDocument("d", loaded, None, most_units=1000)  # type: ignore[arg-type]
        self.document.readers = Heard(self.document)
        return self

    async def write(self, text: str, *, is_told: bool = True) -> None:
        """Another node appends a text at the end."""
        operation: list[Any] = [*([self.length] if self.length else []), [0, text]]
        self.length += len(text)
        record = encode_record(Record(operation, "0a", 1, "ann", 0))
        if not is_told:
            self.log.unfollow("doc:d", self.following)
        await self.log.append([Append("doc:d", record)])
        await asyncio.sleep(0)
        if not is_told:
            await self.log.follow("doc:d", self.following)

    @property
    def text(self) -> str:
        return str(self.document.text)

    def _find(self, id: str) -> LiveDocument | None:
        return self.document if self.is_there else None

    def _take_in(self, document: LiveDocument, edits: list[Edit]) -> None:
        for edit in edits:
            assert edit.changes.length == document.text.length
            document.follow(edit)

    def _reload(self, document: LiveDocument) -> None:
        self.reloads += 1


@virtual
async def test_what_was_not_told_is_read_before_what_comes_next() -> None:
    scene = await Scene().begin()
    await scene.write("a")
    assert scene.text == "a"
    await scene.write("b", is_told=False)
    assert scene.text == "a"
    await scene.write("c")
    await asyncio.sleep(0.1)
    assert scene.text == "abc"


@virtual
async def test_a_silent_log_is_looked_at() -> None:
    scene = await Scene().begin()
    await scene.write("a", is_told=False)
    scene.following.sweep(scene.document)
    await asyncio.sleep(0.1)
    assert scene.text == "", "it was not silent for long"
    await asyncio.sleep(SILENCE)
    scene.following.sweep(scene.document)
    await asyncio.sleep(0.1)
    assert scene.text == "a"


@virtual
async def test_while_something_is_on_its_way_nothing_is_taken() -> None:
    scene = await Scene().begin()
    scene.document.pending.append(None)  # type: ignore[arg-type]
    await scene.write("a")
    scene.following.interrupted("doc:d")
    await asyncio.sleep(0.1)
    assert scene.text == ""
    scene.document.pending.clear()
    scene.following.settled(scene.document)
    await asyncio.sleep(0.1)
    assert scene.text == "a"


@virtual
async def test_what_comes_while_it_is_read_is_not_missed() -> None:
    scene = await Scene().begin()
    scene.is_there = False
    await scene.write("a")
    assert scene.text == ""
    scene.is_there = True
    scene.following.settled(scene.document)
    await asyncio.sleep(0.1)
    assert scene.text == "a"


@virtual
async def test_another_epoch_is_read_anew() -> None:
    scene = await Scene().begin()
    scene.document.epoch = "another"
    await scene.write("a")
    await asyncio.sleep(0.1)
    assert scene.reloads == 1
    scene.following.end("d")
    await scene.write("b")
    assert scene.reloads == 1, "nothing is followed any more"

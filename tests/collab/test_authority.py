"""The authority by itself: order, slices, bounds, what becomes of operations when the log is another one."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from hubbub import ProtocolError, TryLater
from hubbub.backends.memory.log import MemoryLog
from hubbub.backends.memory.snapshots import MemorySnapshots
from hubbub.collab.authority import Authority
from hubbub.collab.changes import ChangeSet
from hubbub.collab.live import LiveDocument, Submission
from hubbub.collab.options import DocumentOptions
from hubbub.collab.window import Edit
from hubbub.ports import Append
from tests.collab.world import EVERYTHING


class Heard:
    """Readers that write down what they are told."""

    def __init__(self, document: LiveDocument) -> None:
        self.document = document
        self.edits: list[Edit] = []
        self.times: list[float] = []
        self.errors: list[ProtocolError] = []
        self.repeats: list[int] = []
        self.outdated_count = 0
        self.resets = 0

    def __len__(self) -> int:
        return 1

    def committed(self, edits: list[Edit]) -> None:
        self.edits += edits
        self.times.append(time.perf_counter())

    def repeated(self, submission: Submission, revision: int) -> None:
        self.repeats.append(revision)

    def refused(self, submission: Submission, error: ProtocolError) -> None:
        self.errors.append(error)

    def outdated(self, submission: Submission) -> None:
        self.outdated_count += 1

    def settled(self) -> None: ...

    def reloaded(self, *, is_new: bool) -> None:
        self.resets += is_new

    def closed(self) -> None: ...


class Scene:
    """One document without sockets."""

    def __init__(self, **options: Any) -> None:
        self.log = MemoryLog(retention=EVERYTHING)
        self.snapshots = MemorySnapshots()
        self.now = 1_000_000.0
        self.options = options
        self.authority = self.make()
        self.document: LiveDocument
        self.heard: Heard

    def make(self) -> Authority:
        options = DocumentOptions(**self.options)
        return Authority(self.log, self.snapshots, options, wall_ms=lambda: int(self.now * 1000))

    async def open(self) -> Scene:
        def readers(document: LiveDocument) -> Heard:
            self.heard = Heard(document)
            return self.heard

        self.document = await self.authority.open("d", readers, create=True)
        return self

    def submit(self, changes: ChangeSet, revision: int, seq: int, client_id: str = "0a") -> None:
        submission = Submission(changes=changes, revision=revision, client_id=client_id, seq=seq, user="ann")
        self.authority.submit(self.document, submission)

    async def type(self, count: int, client_id: str = "0a") -> None:
        """So many operations, each at the end."""
        for _ in range(count):
            length = self.document.text.length
            author = self.document.authors.find(client_id)
            seq = 1 if author is None else author.seq + 1
            self.submit(ChangeSet.replace(length, length, 0, "x"), self.document.durable, seq, client_id)
            await self.authority.settle()


async def test_what_comes_in_one_turn_is_one_append() -> None:
    scene = await Scene().open()
    batches: list[int] = []
    append = scene.log.append
    scene.log.append = lambda batch: (batches.append(len(batch)), append(batch))[1]  # type: ignore[method-assign]
    for number in range(20):
        scene.submit(ChangeSet.replace(0, 0, 0, f"{number % 10}"), 0, 1, f"{number:02x}")
    await scene.authority.settle()
    assert batches == [20]
    assert str(scene.document.text) == "01234567890123456789", "ties go by client id"
    assert [edit.revision for edit in scene.heard.edits] == list(range(1, 21))


async def test_operations_far_behind_let_others_through() -> None:
    """A large one, 10,000 behind: it takes its time, in which nobody else waits for long."""
    scene = await Scene().open()
    scene.submit(ChangeSet.replace(0, 0, 0, "." * 4000), 0, 1)
    await scene.authority.settle()
    start = scene.document.text.length
    # As if they had been typed one after the other.
    records = [
        b'{"operation":[%d,[0,"x"]],"clientId":"0b","seq":%d,"user":"bob","timestamp":1}' % (start + n, n + 1)
        for n in range(10_000)
    ]
    scene.log.append([Append("doc:d", record) for record in records])
    await scene.authority.drain(5)
    scene.authority = scene.make()
    await scene.open()
    assert scene.document.revision == 10_001
    sections: list[int] = []
    texts: list[bytes] = []
    for _ in range(100):
        sections += [9, -1, 0, 1]
        texts += [b"", b"y\0"]
    late = ChangeSet([*sections, start - 900, -1], [*texts, b""])
    scene.submit(late, 1, 2)
    waits: list[float] = []
    seq = 10_000
    while "y" not in str(scene.document.text):
        seq += 1
        before, had = time.perf_counter(), len(scene.heard.edits)
        length = scene.document.text.length
        scene.submit(ChangeSet.replace(length, length, 0, "x"), scene.document.durable, seq, "0c")
        while len(scene.heard.edits) == had:
            await asyncio.sleep(0)
        waits.append(time.perf_counter() - before)
    assert not scene.heard.errors
    assert str(scene.document.text).count("y") == 100
    assert len(waits) > 20, "others were served meanwhile"
    # With room for a machine that is busy with other things.
    assert sorted(waits)[int(len(waits) * 0.95)] < 0.05


async def test_operations_older_than_what_is_kept() -> None:
    scene = await Scene(snapshot_operations=10, keep_seconds=100.0).open()
    await scene.type(30)
    await scene.authority.drain(5)
    scene.now += 200
    scene.authority = scene.make()
    await scene.open()
    await scene.type(5)
    await scene.authority.drain(5)
    page = scene.log.read("doc:d", limit=100)
    assert (page.oldest, page.head) == (31, 35), "what a snapshot makes up for is gone"
    scene.authority = scene.make()
    await scene.open()
    scene.submit(ChangeSet.replace(20, 0, 0, "y"), 20, 1, "0c")
    await scene.authority.settle()
    assert scene.heard.outdated_count == 1
    assert str(scene.document.text) == "x" * 35
    scene.submit(ChangeSet.replace(31, 0, 0, "y"), 31, 1, "0c")
    await scene.authority.settle()
    assert str(scene.document.text) == "y" + "x" * 35


async def test_another_owner_appends_too() -> None:
    """What makes two owners of a document harmless: each record only goes behind the one it was mapped to."""
    scene = await Scene().open()
    await scene.type(3)
    other = Scene()
    other.log, other.snapshots = scene.log, scene.snapshots
    other.authority = other.make()
    await other.open()
    assert other.document.revision == 3
    scene.submit(ChangeSet.replace(3, 0, 0, "a"), 3, 4)
    await scene.authority.settle()
    other.submit(ChangeSet.replace(3, 0, 0, "b"), 3, 1, "0b")
    other.submit(ChangeSet.replace(3, 3, 0, "c"), 3, 1, "0c")
    await other.authority.settle()
    assert str(other.document.text) == "abxxxc"
    assert [edit.revision for edit in other.heard.edits] == [5, 6]
    scene.submit(ChangeSet.replace(4, 4, 0, "!"), 4, 5)
    await scene.authority.settle()
    assert str(scene.document.text) == "abxxx!c"
    assert not scene.heard.errors


async def test_there_are_bounds() -> None:
    scene = await Scene(max_queued=5).open()
    with pytest.raises(TryLater, match="too many operations"):
        for number in range(6):
            scene.submit(ChangeSet.replace(0, 0, 0, "x"), 0, 1, f"{number:02x}")
    await scene.authority.settle()
    assert len(str(scene.document.text)) == 5


async def test_a_document_that_cannot_be_read_is_an_error_and_never_empty() -> None:
    scene = await Scene(snapshot_operations=10).open()
    await scene.type(30)
    await scene.authority.drain(5)
    scene.log.trim("doc:d", 20)
    scene.snapshots._saved.clear()
    scene.authority = scene.make()
    with pytest.raises(TryLater, match="cannot be read"):
        await scene.open()
    scene.log.trim("doc:d", 30)
    with pytest.raises(TryLater, match="cannot be read"):
        await scene.open()

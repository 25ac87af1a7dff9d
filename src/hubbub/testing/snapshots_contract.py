"""What every `Snapshots` promises, as tests. Whoever writes a backend runs it through them:

class TestMySnapshots(SnapshotsContract):
    def make_snapshots(self) -> Snapshots:
        return MySnapshots()

They are coroutines: run them with pytest-asyncio in auto mode, or anything that awaits tests.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager

from hubbub.ports import SavedSnapshot, Snapshot, Snapshots
from hubbub.ports.answers import answer


def snapshot(revision: int, text: str = "text", *, epoch: str = "e1", at: float = 1.0) -> Snapshot:
    return Snapshot(epoch, revision, at, text.encode(), b"authors of %d" % revision)


class SnapshotsContract:
    """Collected by pytest in a subclass whose name begins with `Test`."""

    @abstractmethod
    def make_snapshots(self) -> Snapshots | Awaitable[Snapshots]:
        """A new store without anything in it. It is closed by the suite."""

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Snapshots]:
        """A new store, closed at the end."""
        snapshots = await answer(self.make_snapshots())
        try:
            yield snapshots
        finally:
            await answer(snapshots.close())

    async def test_nothing_is_known_of_a_document_that_was_not_saved(self) -> None:
        async with self.opened() as snapshots:
            assert await answer(snapshots.latest("a")) is None
            assert await answer(snapshots.before("a", "e1", 7)) is None
            assert list(await answer(snapshots.saved("a"))) == []
            assert list(await answer(snapshots.names())) == []
            await answer(snapshots.drop("a", "e1", 1))

    async def test_the_latest_is_the_one_that_was_saved_last(self) -> None:
        async with self.opened() as snapshots:
            for one in (snapshot(3, "three", at=1.5), snapshot(9, "nine 🙂\n", at=2.5), snapshot(2, "new", epoch="e2")):
                await answer(snapshots.save("a", one))
                assert await answer(snapshots.latest("a")) == one
            await answer(snapshots.save("b", snapshot(1)))
            assert (await answer(snapshots.latest("a"))) == snapshot(2, "new", epoch="e2")
            assert list(await answer(snapshots.saved("a"))) == [
                SavedSnapshot("e1", 3, 1.5),
                SavedSnapshot("e1", 9, 2.5),
                SavedSnapshot("e2", 2, 1.0),
            ]
            assert list(await answer(snapshots.names())) == ["a", "b"]

    async def test_the_newest_at_or_before_a_revision_of_an_epoch(self) -> None:
        async with self.opened() as snapshots:
            for one in (snapshot(3), snapshot(9), snapshot(12), snapshot(5, epoch="e2")):
                await answer(snapshots.save("a", one))

            async def before(epoch: str, revision: int) -> int | None:
                found = await answer(snapshots.before("a", epoch, revision))
                return None if found is None else found.revision

            assert [await before("e1", revision) for revision in (2, 3, 8, 9, 100)] == [None, 3, 3, 9, 12]
            assert await before("e2", 4) is None
            assert await before("e2", 12) == 5

    async def test_one_of_the_same_revision_replaces_it(self) -> None:
        async with self.opened() as snapshots:
            await answer(snapshots.save("a", snapshot(3, "first")))
            await answer(snapshots.save("a", snapshot(5)))
            await answer(snapshots.save("a", snapshot(3, "second")))
            assert await answer(snapshots.latest("a")) == snapshot(3, "second")
            assert [one.revision for one in await answer(snapshots.saved("a"))] == [5, 3]
            assert await answer(snapshots.before("a", "e1", 9)) == snapshot(5), "the highest, not the latest"

    async def test_those_saved_before_one_can_be_dropped(self) -> None:
        async with self.opened() as snapshots:
            for revision in (1, 2, 3, 4):
                await answer(snapshots.save("a", snapshot(revision)))
            await answer(snapshots.save("b", snapshot(1)))
            await answer(snapshots.drop("a", "e1", 3))
            assert [one.revision for one in await answer(snapshots.saved("a"))] == [3, 4]
            await answer(snapshots.drop("a", "e1", 77))
            await answer(snapshots.drop("a", "other", 4))
            assert [one.revision for one in await answer(snapshots.saved("a"))] == [3, 4]
            assert len(await answer(snapshots.saved("b"))) == 1

    async def test_a_text_may_be_large_or_empty(self) -> None:
        async with self.opened() as snapshots:
            for revision, text in enumerate(("", "x" * 3_000_000)):
                one = snapshot(revision, text)
                await answer(snapshots.save("a", one))
                assert await answer(snapshots.latest("a")) == one

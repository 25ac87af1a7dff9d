"""What every `Directory` promises, as tests. Whoever writes a backend runs it through them:

class TestMyDirectory(DirectoryContract):
    def make_directory(self) -> Directory:
        return MyDirectory()

They are coroutines: run them with pytest-asyncio in auto mode, or anything that awaits tests.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager

from hubbub.ports import Directory
from hubbub.ports.answers import answer


class DirectoryContract:
    """Collected by pytest in a subclass whose name begins with `Test`."""

    @abstractmethod
    def make_directory(self) -> Directory | Awaitable[Directory]:
        """A new directory with nothing in it. It is closed by the suite."""

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Directory]:
        """A new directory, closed at the end."""
        directory = await answer(self.make_directory())
        try:
            yield directory
        finally:
            await answer(directory.close())

    async def test_what_is_put_is_got(self) -> None:
        async with self.opened() as directory:
            assert await answer(directory.get("room:den")) is None
            for value in (b"\0\xff", b"", b"x" * 100_000):
                await answer(directory.put("room:den", value))
                assert await answer(directory.get("room:den")) == value
            assert await answer(directory.get("room:DEN")) is None
            assert await answer(directory.get("room:")) is None

    async def test_of_several_who_create_one_does(self) -> None:
        async with self.opened() as directory:
            pending = [directory.create("a", b"%d" % number) for number in range(5)]
            assert [await answer(one) for one in pending] == [True, False, False, False, False]
            assert await answer(directory.get("a")) == b"0"
            await answer(directory.put("a", b"put"))
            assert await answer(directory.create("a", b"again")) is False
            assert await answer(directory.get("a")) == b"put"
            await answer(directory.delete("a"))
            assert await answer(directory.create("a", b"")) is True
            assert await answer(directory.create("a", b"x")) is False
            assert await answer(directory.get("a")) == b""

    async def test_what_is_deleted_is_gone(self) -> None:
        async with self.opened() as directory:
            await answer(directory.put("a", b"1"))
            for _ in range(2):
                await answer(directory.delete("a"))
            assert await answer(directory.get("a")) is None
            assert list(await answer(directory.names(""))) == []
            await answer(directory.put("a", b"2"))
            assert await answer(directory.get("a")) == b"2"

    async def test_names_by_what_they_begin_with(self) -> None:
        async with self.opened() as directory:
            names = ["room:b", "room:a", "room:aa", "Room:a", "room_a", "room%a", "muted:a", "room:é", "room:🙂", "r"]
            for name in names:
                await answer(directory.put(name, name.encode()))
            for prefix in ("", "r", "room:", "room:a", "room_", "room%", "room:é", "nothing", "room:aaa"):
                found = list(await answer(directory.names(prefix)))
                assert found == sorted(name for name in names if name.startswith(prefix)), prefix

    async def test_changes_nobody_waits_for_keep_their_order(self) -> None:
        async with self.opened() as directory:
            pending = [directory.put("a", b"%d" % number) for number in range(20)]
            pending += [directory.delete("b"), directory.put("b", b"1"), directory.delete("b")]
            for change in pending:
                await answer(change)
            assert await answer(directory.get("a")) == b"19"
            assert await answer(directory.get("b")) is None

    async def test_what_was_put_before_it_is_closed_is_answered(self) -> None:
        async with self.opened() as directory:
            pending = [directory.put(f"{number}", b"1") for number in range(10)]
            await answer(directory.close())
            for change in pending:
                await answer(change)
            await answer(directory.close())

"""What every `Sessions` promises, as tests. Whoever writes a backend runs it through them:

class TestMySessions(SessionsContract):
    def make_sessions(self, wall: Callable[[], float]) -> Sessions:
        return MySessions(wall=wall)

They are coroutines: run them with pytest-asyncio in auto mode, or anything that awaits tests.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from msgspec.structs import replace

from hubbub.ports import SessionRecord, Sessions
from hubbub.ports.answers import answer
from hubbub.testing.clock import VirtualClock


class SessionsContract:
    """Collected by pytest in a subclass whose name begins with `Test`."""

    @abstractmethod
    def make_sessions(self, wall: Callable[[], float]) -> Sessions | Awaitable[Sessions]:
        """New sessions, none kept. Expiry goes by `wall`, in seconds since 1970. They are closed by the suite."""

    @asynccontextmanager
    async def opened(self, wall: Callable[[], float] | None = None) -> AsyncIterator[Sessions]:
        """New sessions, closed at the end."""
        sessions = await answer(self.make_sessions(wall or VirtualClock()))
        try:
            yield sessions
        finally:
            await answer(sessions.close())

    def record(self, number: int = 1, **fields: Any) -> SessionRecord:
        """A session of ann's that expires at 2000."""
        record = SessionRecord(
            digest=f"{number:064x}",
            key=f"key-{number}",
            user="ann",
            connection=f"c{number}",
            created=100.0 + number,
            expires=2000.0,
            state=b"\0\xff state %d" % number,
        )
        return replace(record, **fields)

    async def test_what_is_saved_is_found_as_it_was(self) -> None:
        async with self.opened() as sessions:
            record = self.record(user="an n\u00e9 🙂", created=1234567890.123456, fence=7)
            assert await answer(sessions.load(record.digest)) is None
            assert await answer(sessions.save(record)) is True
            assert await answer(sessions.load(record.digest)) == record
            assert await answer(sessions.of_connection("c1")) == record
            assert list(await answer(sessions.of_user(record.user))) == [record]
            assert await answer(sessions.load("f" * 64)) is None
            assert await answer(sessions.of_connection("c2")) is None
            assert list(await answer(sessions.of_user("bob"))) == []

    async def test_a_users_sessions_are_the_oldest_first(self) -> None:
        async with self.opened() as sessions:
            records = [self.record(number) for number in (3, 1, 2)]
            for record in (*records, self.record(4, user="bob")):
                assert await answer(sessions.save(record))
            assert [record.key for record in await answer(sessions.of_user("ann"))] == ["key-1", "key-2", "key-3"]

    async def test_a_save_replaces_and_the_old_connection_is_its_no_more(self) -> None:
        async with self.opened() as sessions:
            await answer(sessions.save(self.record()))
            moved = self.record(connection="c9", state=b"new")
            assert await answer(sessions.save(moved))
            assert await answer(sessions.load(moved.digest)) == moved
            assert await answer(sessions.of_connection("c1")) is None
            assert await answer(sessions.of_connection("c9")) == moved
            assert list(await answer(sessions.of_user("ann"))) == [moved]
            renamed = replace(moved, user="bob")
            assert await answer(sessions.save(renamed))
            assert list(await answer(sessions.of_user("ann"))) == []
            assert list(await answer(sessions.of_user("bob"))) == [renamed]

    async def test_sessions_without_a_connection_are_found_by_none(self) -> None:
        async with self.opened() as sessions:
            await answer(sessions.save(self.record(1, connection="")))
            await answer(sessions.save(self.record(2, connection="")))
            assert await answer(sessions.of_connection("")) is None
            assert len(await answer(sessions.of_user("ann"))) == 2

    async def test_a_connection_belongs_to_whoever_was_saved_with_it_last(self) -> None:
        async with self.opened() as sessions:
            await answer(sessions.save(self.record(2, connection="c")))
            await answer(sessions.save(self.record(1, connection="c")))
            for _ in range(2):
                found = await answer(sessions.of_connection("c"))
                assert found is not None
                assert found.key == "key-1"
                await answer(sessions.delete(self.record(2).digest))

    async def test_a_lower_fence_is_refused(self) -> None:
        async with self.opened() as sessions:
            assert await answer(sessions.save(self.record(fence=5)))
            assert await answer(sessions.save(self.record(fence=4, state=b"late"))) is False
            found = await answer(sessions.load(self.record().digest))
            assert found is not None
            assert found == self.record(fence=5)
            assert await answer(sessions.save(self.record(fence=5, state=b"same")))
            assert await answer(sessions.save(self.record(fence=6, state=b"newer")))
            await answer(sessions.delete(self.record().digest))
            assert await answer(sessions.save(self.record(fence=1))), "nothing is stored that it could be behind"

    async def test_what_is_deleted_is_nowhere(self) -> None:
        async with self.opened() as sessions:
            for number in (1, 2):
                await answer(sessions.save(self.record(number)))
            for _ in range(2):
                await answer(sessions.delete(self.record(1).digest))
            assert await answer(sessions.load(self.record(1).digest)) is None
            assert await answer(sessions.of_connection("c1")) is None
            assert list(await answer(sessions.of_user("ann"))) == [self.record(2)]

    async def test_an_expired_one_is_as_good_as_deleted(self) -> None:
        wall = VirtualClock(1000.0)
        async with self.opened(wall) as sessions:
            await answer(sessions.save(self.record(1, expires=1010.0, fence=9)))
            await answer(sessions.save(self.record(2, expires=1020.0)))
            wall.advance(9.5)
            assert len(await answer(sessions.of_user("ann"))) == 2
            wall.advance(1)
            assert await answer(sessions.load(self.record(1).digest)) is None
            assert await answer(sessions.of_connection("c1")) is None
            assert [record.key for record in await answer(sessions.of_user("ann"))] == ["key-2"]
            again = self.record(1, expires=1100.0)
            assert await answer(sessions.save(again)), "its fence is gone with it"
            assert await answer(sessions.load(again.digest)) == again

    async def test_a_save_prolongs(self) -> None:
        wall = VirtualClock(1000.0)
        async with self.opened(wall) as sessions:
            await answer(sessions.save(self.record(expires=1010.0)))
            await answer(sessions.save(self.record(expires=1100.0)))
            wall.advance(50)
            assert await answer(sessions.load(self.record().digest)) == self.record(expires=1100.0)

    async def test_saves_nobody_waits_for_keep_their_order(self) -> None:
        async with self.opened() as sessions:
            pending = [sessions.save(self.record(state=b"%d" % number, fence=number)) for number in range(20)]
            assert all([await answer(saved) for saved in pending])
            found = await answer(sessions.load(self.record().digest))
            assert found is not None
            assert found.state == b"19"

    async def test_what_was_saved_before_it_is_closed_is_answered(self) -> None:
        async with self.opened() as sessions:
            pending = [sessions.save(self.record(number)) for number in range(10)]
            await answer(sessions.close())
            assert all([await answer(saved) for saved in pending])
            await answer(sessions.close())

"""What every `Log` promises, as tests. Whoever writes a backend runs it through them:

class TestMyLog(LogContract):
    def make_log(self) -> Log:
        return MyLog()
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Awaitable
from inspect import isawaitable
from typing import TypeVar

from hubbub.ports import Append, Appended, Log, Page, Refused
from hubbub.protocol.payloads import Position

T = TypeVar("T")


async def answer(result: T | Awaitable[T]) -> T:
    """What a log said, at once or later."""
    return await result if isawaitable(result) else result


class LogContract:
    """Collected by pytest in a subclass whose name begins with `Test`. The log must keep at least 100 records."""

    @abstractmethod
    def make_log(self) -> Log:
        """A new log without records."""

    async def append(self, log: Log, *items: Append) -> list[Appended]:
        results: list[Appended] = []
        for result in await answer(log.append(items)):
            assert not isinstance(result, Refused), result
            results.append(result)
        return results

    async def read(
        self, log: Log, name: str, *, after: int = 0, before: int | None = None, limit: int = 100, newest: bool = False
    ) -> Page:
        return await answer(log.read(name, after=after, before=before, limit=limit, newest=newest))

    async def test_offsets_grow_and_every_name_is_a_log_of_its_own(self) -> None:
        log = self.make_log()
        first = await self.append(log, Append("a", b"1"), Append("b", b"2"), Append("a", b"3"))
        second = await self.append(log, Append("a", b"4"))
        offsets = [first[0].offset, first[2].offset, second[0].offset]
        assert 1 <= offsets[0] < offsets[1] < offsets[2]
        assert len({result.epoch for result in (first[0], first[2], second[0])}) == 1
        assert [record for _, record in (await self.read(log, "a")).entries] == [b"1", b"3", b"4"]
        assert [record for _, record in (await self.read(log, "b")).entries] == [b"2"]

    async def test_an_empty_log_has_a_head_at_zero(self) -> None:
        log = self.make_log()
        head = await answer(log.head("nothing"))
        assert head.offset == 0
        page = await self.read(log, "nothing")
        assert (list(page.entries), page.head, page.complete) == ([], 0, True)

    async def test_the_head_is_the_last_record(self) -> None:
        log = self.make_log()
        results = await self.append(log, Append("a", b"1"), Append("a", b"2"))
        assert await answer(log.head("a")) == Position(results[1].epoch, results[1].offset)

    async def test_reading_between_exclusive_bounds(self) -> None:
        log = self.make_log()
        results = await self.append(log, *(Append("a", str(number).encode()) for number in range(10)))
        at = [result.offset for result in results]

        async def found(
            *, after: int = 0, before: int | None = None, limit: int = 100, newest: bool = False
        ) -> tuple[list[int], bool]:
            page = await self.read(log, "a", after=after, before=before, limit=limit, newest=newest)
            assert [record for _, record in page.entries] == [
                str(at.index(offset)).encode() for offset, _ in page.entries
            ]
            assert (page.oldest, page.head) == (at[0], at[-1])
            return [offset for offset, _ in page.entries], page.complete

        assert await found() == (at, True)
        assert await found(after=at[3]) == (at[4:], True)
        assert await found(before=at[3]) == (at[:3], True)
        assert await found(after=at[1], before=at[5]) == (at[2:5], True)
        assert await found(limit=4) == (at[:4], False)
        assert await found(limit=4, newest=True) == (at[6:], False)
        assert await found(before=at[5], limit=2, newest=True) == (at[3:5], False)
        assert await found(after=at[-1]) == ([], True)
        assert await found(limit=0) == ([], False)

    async def test_a_repeat_gets_the_first_ones_position_and_is_not_stored(self) -> None:
        log = self.make_log()
        (first,) = await self.append(log, Append("a", b"1", "session", "AB"))
        (again,) = await self.append(log, Append("a", b"2", "session", "ab"))
        assert (again.offset, again.epoch, first.repeated, again.repeated) == (first.offset, first.epoch, False, True)
        within = await self.append(log, Append("a", b"3", "session", "cd"), Append("a", b"4", "session", "cd"))
        assert [result.repeated for result in within] == [False, True]
        (other,) = await self.append(log, Append("a", b"5", "another", "ab"))
        assert not other.repeated
        assert [record for _, record in (await self.read(log, "a")).entries] == [b"1", b"3", b"5"]

    async def test_1000_message_ids_of_a_session_are_remembered_until_it_is_forgotten(self) -> None:
        log = self.make_log()
        for number in range(1000):
            await self.append(log, Append("a", b"x", "session", str(number)))
        assert (await self.append(log, Append("a", b"x", "session", "0")))[0].repeated
        log.forget("session")
        log.forget("session")
        assert not (await self.append(log, Append("a", b"x", "session", "0")))[0].repeated

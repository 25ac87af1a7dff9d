"""What every `Log` promises, as tests. Whoever writes a backend runs it through them:

class TestMyLog(LogContract):
    def make_log(self) -> Log:
        return MyLog()

They are coroutines: run them with pytest-asyncio in auto mode, or anything that awaits tests.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from inspect import isawaitable
from typing import Any, TypeVar
from unittest import SkipTest

from hubbub.delivery.retention import Retention, RetentionPolicy
from hubbub.ports import Append, Appended, Log, Page, Refused
from hubbub.protocol.payloads import Position
from hubbub.testing.clock import VirtualClock

T = TypeVar("T")


async def answer(result: T | Awaitable[T]) -> T:
    """What a port said, at once or later."""
    return await result if isawaitable(result) else result


class LogContract:
    """Collected by pytest in a subclass whose name begins with `Test`. The log must keep at least 1000 records."""

    DEDUP_MOST = 5000
    """A session's first message id must be forgotten after so many others: nothing grows for ever."""

    @abstractmethod
    def make_log(self) -> Log | Awaitable[Log]:
        """A new log without records. It is closed by the suite."""

    def make_log_that_keeps(self, policy: RetentionPolicy, clock: Callable[[], float]) -> Log | Awaitable[Log]:
        """The same, with this retention, for which records age by `clock`, in seconds.

        A log that cannot be told leaves this out; its retention is then not tested.
        """
        raise SkipTest("this log cannot be told what to keep")

    # --- What the tests do ------------------------------------------------------------------------------

    @asynccontextmanager
    async def opened(
        self, retention: Retention | None = None, clock: Callable[[], float] | None = None
    ) -> AsyncIterator[Log]:
        """A new log, closed at the end."""
        if retention is None:
            log = await answer(self.make_log())
        else:
            log = await answer(self.make_log_that_keeps(RetentionPolicy(retention), clock or VirtualClock()))
        try:
            yield log
        finally:
            await answer(log.close())

    async def append(self, log: Log, *items: Append) -> list[Appended]:
        results: list[Appended] = []
        for result in await answer(log.append(items)):
            assert not isinstance(result, Refused), result
            results.append(result)
        return results

    async def read(
        self, log: Log, name: str, *, after: int = 0, before: int | None = None, limit: int = 1000, newest: bool = False
    ) -> Page:
        return await answer(log.read(name, after=after, before=before, limit=limit, newest=newest))

    async def pages(self, log: Log, name: str, limit: int, *, newest: bool = False) -> list[tuple[int, bytes]]:
        """The whole log, read page by page from one end to the other."""
        found: list[tuple[int, bytes]] = []
        while True:
            if newest:
                before = found[0][0] if found else None
                page = await self.read(log, name, before=before, limit=limit, newest=True)
                found[:0] = page.entries
            else:
                page = await self.read(log, name, after=found[-1][0] if found else 0, limit=limit)
                found += page.entries
            if page.complete:
                return found
            assert len(page.entries) == limit

    # --- Appending and reading --------------------------------------------------------------------------

    async def test_offsets_grow_and_every_name_is_a_log_of_its_own(self) -> None:
        async with self.opened() as log:
            first = await self.append(log, Append("a", b"1"), Append("b", b"2"), Append("a", b"3"))
            second = await self.append(log, Append("a", b"4"))
            offsets = [first[0].offset, first[2].offset, second[0].offset]
            assert 1 <= offsets[0] < offsets[1] < offsets[2]
            assert len({result.epoch for result in (first[0], first[2], second[0])}) == 1
            assert _records(await self.read(log, "a")) == [b"1", b"3", b"4"]
            assert _records(await self.read(log, "b")) == [b"2"]

    async def test_an_empty_log_has_a_head_at_zero(self) -> None:
        async with self.opened() as log:
            head = await answer(log.head("nothing"))
            assert head.offset == 0
            page = await self.read(log, "nothing")
            assert (list(page.entries), page.oldest, page.head, page.complete) == ([], 1, 0, True)
            assert list(await answer(log.append([]))) == []
            assert page.epoch == head.epoch == (await self.append(log, Append("nothing", b"1")))[0].epoch

    async def test_the_head_is_the_last_record(self) -> None:
        async with self.opened() as log:
            results = await self.append(log, Append("a", b"1"), Append("a", b"2"))
            assert await answer(log.head("a")) == Position(results[1].epoch, results[1].offset)

    async def test_reading_between_exclusive_bounds(self) -> None:
        async with self.opened() as log:
            results = await self.append(log, *(Append("a", str(number).encode()) for number in range(10)))
            at = [result.offset for result in results]

            async def found(
                *, after: int = 0, before: int | None = None, limit: int = 100, newest: bool = False
            ) -> tuple[list[int], bool]:
                page = await self.read(log, "a", after=after, before=before, limit=limit, newest=newest)
                assert _records(page) == [str(at.index(offset)).encode() for offset, _ in page.entries]
                assert (page.oldest, page.head) == (at[0], at[-1])
                return [offset for offset, _ in page.entries], page.complete

            assert await found() == (at, True)
            assert await found(after=at[3]) == (at[4:], True)
            assert await found(before=at[3]) == (at[:3], True)
            assert await found(after=at[1], before=at[5]) == (at[2:5], True)
            assert await found(limit=4) == (at[:4], False)
            assert await found(limit=4, newest=True) == (at[6:], False)
            assert await found(before=at[5], limit=2, newest=True) == (at[3:5], False)
            assert await found(after=at[3], limit=6, newest=True) == (at[4:], True)
            assert await found(after=at[-1]) == ([], True)
            assert await found(after=at[-1] + 100) == ([], True)
            assert await found(before=at[0]) == ([], True)
            assert await found(limit=0) == ([], False)

    async def test_a_record_is_any_bytes(self) -> None:
        async with self.opened() as log:
            records = [b"", b"\0", bytes(range(256)), b"\xff\xfe", "🙂".encode(), b"x" * 65536, b""]
            await self.append(log, *(Append("a", record) for record in records))
            assert _records(await self.read(log, "a")) == records
            assert _records(await self.read(log, "a", limit=3, newest=True)) == records[-3:]

    async def test_batches_keep_their_order_though_nobody_waits_between_them(self) -> None:
        async with self.opened() as log:
            batches = [[Append(f"{n % 3}", f"{batch}.{n}".encode()) for n in range(7)] for batch in range(20)]
            answers = [await answer(pending) for pending in [log.append(batch) for batch in batches]]
            for name in ("0", "1", "2"):
                sent = [item.record for batch in batches for item in batch if item.log == name]
                assert _records(await self.read(log, name)) == sent
            for batch, results in zip(batches, answers, strict=True):
                for item, result in zip(batch, results, strict=True):
                    assert isinstance(result, Appended)
                    page = await self.read(log, item.log, after=result.offset - 1, limit=1)
                    assert page.entries[0] == (result.offset, item.record)

    async def test_paging_through_a_long_log(self) -> None:
        async with self.opened() as log:
            records = [b"record %d" % number for number in range(1000)]
            for start in range(0, 1000, 100):
                await self.append(log, *(Append("a", record) for record in records[start : start + 100]))
            for newest in (False, True):
                found = await self.pages(log, "a", 64, newest=newest)
                assert [record for _, record in found] == records
                offsets = [offset for offset, _ in found]
                assert offsets == sorted(set(offsets))

    # --- Repeats ----------------------------------------------------------------------------------------

    async def test_a_repeat_gets_the_first_ones_position_and_is_not_stored(self) -> None:
        async with self.opened() as log:
            (first,) = await self.append(log, Append("a", b"1", "session", "AB"))
            (again,) = await self.append(log, Append("a", b"2", "session", "ab"))
            assert (again.offset, again.epoch) == (first.offset, first.epoch)
            assert (first.repeated, again.repeated) == (False, True)
            within = await self.append(log, Append("a", b"3", "session", "cd"), Append("a", b"4", "session", "cd"))
            assert [result.repeated for result in within] == [False, True]
            assert within[0].offset == within[1].offset
            (other,) = await self.append(log, Append("a", b"5", "another", "ab"))
            assert not other.repeated
            assert _records(await self.read(log, "a")) == [b"1", b"3", b"5"]

    async def test_a_repeat_that_comes_while_the_first_is_under_way(self) -> None:
        async with self.opened() as log:
            item = Append("a", b"1", "session", "ab")
            first, second = log.append([item]), log.append([item, Append("a", b"2")])
            (one,), (again, next) = await answer(first), await answer(second)
            assert isinstance(one, Appended)
            assert again == Appended(one.epoch, one.offset, True)
            assert isinstance(next, Appended)
            assert next.offset > one.offset
            assert _records(await self.read(log, "a")) == [b"1", b"2"]

    async def test_1000_message_ids_of_a_session_are_remembered_until_it_is_forgotten(self) -> None:
        async with self.opened() as log:
            for number in range(1000):
                await self.append(log, Append("a", b"x", "session", str(number)))
            assert (await self.append(log, Append("a", b"x", "session", "0")))[0].repeated
            log.forget("session")
            log.forget("session")
            log.forget("nobody")
            assert not (await self.append(log, Append("a", b"x", "session", "0")))[0].repeated

    async def test_message_ids_are_not_remembered_without_end(self) -> None:
        async with self.opened() as log:
            for start in range(0, self.DEDUP_MOST + 1, 500):
                await self.append(log, *(Append("a", b"x", "s", str(number)) for number in range(start, start + 500)))
            assert not (await self.append(log, Append("a", b"x", "s", "0")))[0].repeated

    # --- On condition -----------------------------------------------------------------------------------

    @asynccontextmanager
    async def conditional(self) -> AsyncIterator[Log]:
        """A new log that honours `Append.expected`."""
        async with self.opened() as log:
            if not log.conditional:
                raise SkipTest("this log does not append on condition")
            yield log

    async def test_a_log_that_cannot_append_on_condition_says_so(self) -> None:
        async with self.opened() as log:
            (result,) = await answer(log.append([Append("a", b"1", expected=0)]))
            assert isinstance(result, Appended) if log.conditional else _code(result) == "unavailable"

    async def test_a_record_on_condition_is_appended_only_behind_the_one_it_expects(self) -> None:
        async with self.conditional() as log:
            (first,) = await self.append(log, Append("a", b"1", expected=0))
            (second,) = await self.append(log, Append("a", b"2", expected=first.offset))
            for wrong in (0, first.offset, second.offset + 1):
                (refused,) = await answer(log.append([Append("a", b"x", expected=wrong)]))
                assert _code(refused) == "conflict"
            assert _records(await self.read(log, "a")) == [b"1", b"2"]
            assert (await answer(log.head("a"))).offset == second.offset
            await self.append(log, Append("a", b"3"), Append("b", b"1", expected=0))
            assert _records(await self.read(log, "a")) == [b"1", b"2", b"3"]

    async def test_a_repeat_on_condition_is_answered_as_one(self) -> None:
        async with self.conditional() as log:
            (first,) = await self.append(log, Append("a", b"1", "s", "ab", expected=0))
            await self.append(log, Append("a", b"2", expected=first.offset))
            (again,) = await self.append(log, Append("a", b"1", "s", "AB", expected=0))
            assert again == Appended(first.epoch, first.offset, True)
            (refused,) = await answer(log.append([Append("a", b"3", "s", "cd", expected=0)]))
            assert _code(refused) == "conflict"
            head = (await answer(log.head("a"))).offset
            (fresh,) = await self.append(log, Append("a", b"3", "s", "cd", expected=head))
            assert not fresh.repeated, "the id of a refused record may be used again"

    async def test_of_several_that_expect_the_same_one_is_appended(self) -> None:
        async with self.conditional() as log:
            pending = [log.append([Append("a", b"%d" % number, expected=0)]) for number in range(10)]
            results = [(await answer(one))[0] for one in pending]
            won = [number for number, result in enumerate(results) if isinstance(result, Appended)]
            assert won == [0]
            assert {_code(result) for result in results[1:]} == {"conflict"}
            assert _records(await self.read(log, "a")) == [b"0"]

    async def test_a_chain_of_records_each_expecting_the_one_before(self) -> None:
        async with self.conditional() as log:
            for link in range(20):
                head = (await answer(log.head("a"))).offset
                results = await answer(
                    log.append([Append("a", b"%d" % link, expected=head), Append("a", b"late", expected=head)])
                )
                assert isinstance(results[0], Appended)
                assert _code(results[1]) == "conflict"
                assert (await answer(log.head("a"))).offset == results[0].offset
            assert _records(await self.read(log, "a")) == [b"%d" % link for link in range(20)]

    async def test_what_was_to_stand_behind_a_refused_record_is_refused(self) -> None:
        async with self.conditional() as log:
            (first,) = await self.append(log, Append("a", b"1", expected=0))
            results = await answer(
                log.append(
                    [
                        Append("a", b"x", expected=first.offset - 1),
                        Append("a", b"y", expected=first.offset),
                        Append("b", b"1", expected=0),
                        Append("a", b"2"),
                    ]
                )
            )
            assert [_code(result) for result in results[:2]] == ["conflict", "conflict"]
            assert all(isinstance(result, Appended) for result in results[2:])
            assert _records(await self.read(log, "a")) == [b"1", b"2"]

    async def test_the_record_expected_may_be_gone(self) -> None:
        clock = VirtualClock()
        async with self.opened(Retention(age=10), clock) as log:
            if not log.conditional:
                raise SkipTest("this log does not append on condition")
            (first,) = await self.append(log, Append("a", b"1", expected=0))
            clock.advance(20)
            assert list((await self.read(log, "a")).entries) == []
            (refused,) = await answer(log.append([Append("a", b"2", expected=0)]))
            assert _code(refused) == "conflict"
            await self.append(log, Append("a", b"2", expected=first.offset))
            assert _records(await self.read(log, "a")) == [b"2"]

    async def test_what_is_to_be_dropped_is_dropped(self) -> None:
        everything = Retention(messages=2**62, size=2**62, age=math.inf)
        async with self.opened(everything) as log:
            if not hasattr(log, "trim"):
                raise SkipTest("this log is not for documents")
            trim: Any = log.trim
            await answer(trim("a", 7))
            appended = await self.append(log, *(Append("a", b"%d" % number) for number in range(20)), Append("b", b"x"))
            at = [result.offset for result in appended[:-1]]
            for upto in (at[0] - 1, at[4], at[2], at[9]):
                await answer(trim("a", upto))
                await self.check_kept(log, [*appended[:-1]], 10 if upto == at[9] else 15, 20)
            assert _records(await self.read(log, "b")) == [b"x"]
            assert (await answer(log.head("a"))).offset == at[-1]
            (next,) = await self.append(log, Append("a", b"20", expected=at[-1]))
            await self.check_kept(log, [*appended[:-1], next], 11, 11)
            await answer(trim("a", next.offset + 100))
            await self.check_kept(log, [*appended[:-1], next], 0, 0)
            (last,) = await self.append(log, Append("a", b"21", expected=next.offset))
            assert last.offset > next.offset
            await self.check_kept(log, [*appended[:-1], next, last], 1, 1)

    # --- Retention --------------------------------------------------------------------------------------

    async def check_kept(self, log: Log, appended: Sequence[Appended], least: int, most: int) -> None:
        """The newest of what was appended are kept, at least and at most so many, and `oldest` says which."""
        page = await self.read(log, "a")
        offsets = [result.offset for result in appended]
        kept = [offset for offset, _ in page.entries]
        assert kept == offsets[len(offsets) - len(kept) :]
        assert least <= len(kept) <= most
        missed = [offset for offset in offsets if offset not in kept]
        for after in (0, *offsets):
            assert (after < page.oldest - 1) is any(offset > after for offset in missed)

    async def test_as_many_records_are_kept_as_the_retention_says(self) -> None:
        async with self.opened(Retention(messages=5)) as log:
            appended: list[Appended] = []
            for number in range(20):
                appended += await self.append(log, Append("a", b"%d" % number), Append("b", b"x"))
                del appended[-1]
                await self.check_kept(log, appended, min(number + 1, 5), 10)
            appended += await self.append(log, *(Append("a", b"x") for _ in range(100)))
            await self.check_kept(log, appended, 5, 10)
            for newest in (False, True):
                page = await self.read(log, "a", before=3, limit=2, newest=newest)
                assert (list(page.entries), page.complete) == ([], True), "what is gone is told by `oldest` alone"

    async def test_as_many_bytes_are_kept_as_the_retention_says(self) -> None:
        async with self.opened(Retention(size=1000)) as log:
            appended = [(await self.append(log, Append("a", b"x" * 300)))[0] for _ in range(10)]
            await self.check_kept(log, appended, 3, 6)
            appended += await self.append(log, Append("a", b"x" * 5000))
            await self.check_kept(log, appended, 1, 1)

    async def test_records_are_kept_as_long_as_the_retention_says(self) -> None:
        clock = VirtualClock()
        async with self.opened(Retention(age=10), clock) as log:
            appended = [(await self.append(log, Append("a", b"old")))[0]]
            clock.advance(6)
            appended += await self.append(log, Append("a", b"new"))
            await self.check_kept(log, appended, 2, 2)
            clock.advance(6)
            await self.check_kept(log, appended, 1, 1)
            clock.advance(6)
            await self.check_kept(log, appended, 0, 0)
            assert await answer(log.head("a")) == Position(appended[-1].epoch, appended[-1].offset)
            appended += await self.append(log, Append("a", b"newest"))
            assert appended[-1].offset > appended[-2].offset
            assert appended[-1].epoch == appended[-2].epoch
            await self.check_kept(log, appended, 1, 1)

    async def test_a_log_that_conflates_keeps_the_newest_of_each_key(self) -> None:
        clock = VirtualClock()
        async with self.opened(Retention(messages=3, age=10, conflate=True), clock) as log:
            await self.append(
                log, Append("a", b"A1", key="A"), Append("a", b"B1", key="B"), Append("a", b"A2", key="A")
            )
            assert _records(await self.read(log, "a")) == [b"A1", b"B1", b"A2"]
            for number in range(10):
                await self.append(log, Append("a", b"C%d" % number, key="C"))
            page = await self.read(log, "a")
            assert _records(page) == [b"B1", b"A2", b"C7", b"C8", b"C9"]
            assert page.oldest == 1, "nobody missed what was superseded"
            assert [record for _, record in await self.pages(log, "a", 2)] == _records(page)
            assert [record for _, record in await self.pages(log, "a", 2, newest=True)] == _records(page)
            await self.append(log, Append("a", b"B2", key="B"))
            assert _records(await self.read(log, "a")) == [b"A2", b"C8", b"C9", b"B2"]
            clock.advance(11)
            await self.append(log, Append("a", b"D1", key="D"))
            page = await self.read(log, "a")
            assert _records(page) == [b"A2", b"C9", b"B2", b"D1"]
            assert page.oldest == 1

    async def test_a_log_that_conflates_tells_what_was_missed(self) -> None:
        async with self.opened(Retention(messages=2, conflate=True, keys=3)) as log:
            results = await self.append(log, *(Append("a", b"%d" % number, key=f"{number}") for number in range(5)))
            page = await self.read(log, "a")
            assert (_records(page), page.oldest) == ([b"0", b"1", b"2", b"3", b"4"], 1)
            await self.append(log, Append("a", b"5", key="5"))
            page = await self.read(log, "a")
            assert (_records(page), page.oldest) == ([b"1", b"2", b"3", b"4", b"5"], results[0].offset + 1)
            (plain,) = await self.append(log, Append("a", b"plain"))
            await self.append(log, Append("a", b"3 again", key="3"), Append("a", b"4 again", key="4"))
            page = await self.read(log, "a")
            assert b"plain" not in _records(page)
            assert page.oldest == plain.offset + 1, "one without a key is missed when it goes"

    # --- The end ----------------------------------------------------------------------------------------

    async def test_what_was_accepted_before_it_is_closed_is_answered(self) -> None:
        async with self.opened() as log:
            pending = [log.append([Append("a", b"%d" % number, "session", f"{number}")]) for number in range(10)]
            await answer(log.close())
            answers = [(await answer(one))[0] for one in pending]
            assert all(isinstance(result, Appended) for result in answers)
            await answer(log.close())


def _records(page: Page) -> list[bytes]:
    return [record for _, record in page.entries]


def _code(result: Appended | Refused) -> str:
    assert isinstance(result, Refused), result
    return result.code

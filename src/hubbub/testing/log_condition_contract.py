"""What a `Log` promises of appends that expect something of it; a part of `LogContract`."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from unittest import SkipTest

from hubbub.delivery.retention import Retention
from hubbub.ports import Append, Appended, Log
from hubbub.ports.answers import answer
from hubbub.testing.clock import VirtualClock
from hubbub.testing.log_suite import LogSuite, code_of, records_of


class LogConditionContract(LogSuite):
    """A log that cannot append on condition says so, and skips the rest."""

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
            assert isinstance(result, Appended) if log.conditional else code_of(result) == "unavailable"

    async def test_a_record_on_condition_is_appended_only_behind_the_one_it_expects(self) -> None:
        async with self.conditional() as log:
            (first,) = await self.append(log, Append("a", b"1", expected=0))
            (second,) = await self.append(log, Append("a", b"2", expected=first.offset))
            for wrong in (0, first.offset, second.offset + 1):
                (refused,) = await answer(log.append([Append("a", b"x", expected=wrong)]))
                assert code_of(refused) == "conflict"
            assert records_of(await self.read(log, "a")) == [b"1", b"2"]
            assert (await answer(log.head("a"))).offset == second.offset
            await self.append(log, Append("a", b"3"), Append("b", b"1", expected=0))
            assert records_of(await self.read(log, "a")) == [b"1", b"2", b"3"]

    async def test_a_repeat_on_condition_is_answered_as_one(self) -> None:
        async with self.conditional() as log:
            (first,) = await self.append(log, Append("a", b"1", "s", "ab", expected=0))
            await self.append(log, Append("a", b"2", expected=first.offset))
            (again,) = await self.append(log, Append("a", b"1", "s", "AB", expected=0))
            assert again == Appended(first.epoch, first.offset, True)
            (refused,) = await answer(log.append([Append("a", b"3", "s", "cd", expected=0)]))
            assert code_of(refused) == "conflict"
            head = (await answer(log.head("a"))).offset
            (fresh,) = await self.append(log, Append("a", b"3", "s", "cd", expected=head))
            assert not fresh.repeated, "the id of a refused record may be used again"

    async def test_of_several_that_expect_the_same_one_is_appended(self) -> None:
        async with self.conditional() as log:
            pending = [log.append([Append("a", b"%d" % number, expected=0)]) for number in range(10)]
            results = [(await answer(one))[0] for one in pending]
            won = [number for number, result in enumerate(results) if isinstance(result, Appended)]
            assert won == [0]
            assert {code_of(result) for result in results[1:]} == {"conflict"}
            assert records_of(await self.read(log, "a")) == [b"0"]

    async def test_a_chain_of_records_each_expecting_the_one_before(self) -> None:
        async with self.conditional() as log:
            for link in range(20):
                head = (await answer(log.head("a"))).offset
                results = await answer(
                    log.append([Append("a", b"%d" % link, expected=head), Append("a", b"late", expected=head)])
                )
                assert isinstance(results[0], Appended)
                assert code_of(results[1]) == "conflict"
                assert (await answer(log.head("a"))).offset == results[0].offset
            assert records_of(await self.read(log, "a")) == [b"%d" % link for link in range(20)]

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
            assert [code_of(result) for result in results[:2]] == ["conflict", "conflict"]
            assert all(isinstance(result, Appended) for result in results[2:])
            assert records_of(await self.read(log, "a")) == [b"1", b"2"]

    async def test_the_record_expected_may_be_gone(self) -> None:
        clock = VirtualClock()
        async with self.opened(Retention(age=10), clock) as log:
            if not log.conditional:
                raise SkipTest("this log does not append on condition")
            (first,) = await self.append(log, Append("a", b"1", expected=0))
            clock.advance(20)
            assert list((await self.read(log, "a")).entries) == []
            (refused,) = await answer(log.append([Append("a", b"2", expected=0)]))
            assert code_of(refused) == "conflict"
            await self.append(log, Append("a", b"2", expected=first.offset))
            assert records_of(await self.read(log, "a")) == [b"2"]

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
            assert records_of(await self.read(log, "b")) == [b"x"]
            assert (await answer(log.head("a"))).offset == at[-1]
            (next,) = await self.append(log, Append("a", b"20", expected=at[-1]))
            await self.check_kept(log, [*appended[:-1], next], 11, 11)
            await answer(trim("a", next.offset + 100))
            await self.check_kept(log, [*appended[:-1], next], 0, 0)
            (last,) = await self.append(log, Append("a", b"21", expected=next.offset))
            assert last.offset > next.offset
            await self.check_kept(log, [*appended[:-1], next, last], 1, 1)

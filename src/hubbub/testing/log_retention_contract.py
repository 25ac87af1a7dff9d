"""What a `Log` promises to keep, and to tell of what it does not; a part of `LogContract`."""

from __future__ import annotations

from hubbub.delivery.retention import Retention
from hubbub.ports import Append, Appended
from hubbub.ports.answers import answer
from hubbub.protocol.payloads import Position
from hubbub.testing.clock import VirtualClock
from hubbub.testing.log_suite import LogSuite, records_of


class LogRetentionContract(LogSuite):
    """A log that cannot be told what to keep skips all of it."""

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
            assert records_of(await self.read(log, "a")) == [b"A1", b"B1", b"A2"]
            for number in range(10):
                await self.append(log, Append("a", b"C%d" % number, key="C"))
            page = await self.read(log, "a")
            assert records_of(page) == [b"B1", b"A2", b"C7", b"C8", b"C9"]
            assert page.oldest == 1, "nobody missed what was superseded"
            assert [record for _, record in await self.pages(log, "a", 2)] == records_of(page)
            assert [record for _, record in await self.pages(log, "a", 2, newest=True)] == records_of(page)
            await self.append(log, Append("a", b"B2", key="B"))
            assert records_of(await self.read(log, "a")) == [b"A2", b"C8", b"C9", b"B2"]
            clock.advance(11)
            await self.append(log, Append("a", b"D1", key="D"))
            page = await self.read(log, "a")
            assert records_of(page) == [b"A2", b"C9", b"B2", b"D1"]
            assert page.oldest == 1

    async def test_a_log_that_conflates_tells_what_was_missed(self) -> None:
        async with self.opened(Retention(messages=2, conflate=True, keys=3)) as log:
            results = await self.append(log, *(Append("a", b"%d" % number, key=f"{number}") for number in range(5)))
            page = await self.read(log, "a")
            assert (records_of(page), page.oldest) == ([b"0", b"1", b"2", b"3", b"4"], 1)
            await self.append(log, Append("a", b"5", key="5"))
            page = await self.read(log, "a")
            assert (records_of(page), page.oldest) == ([b"1", b"2", b"3", b"4", b"5"], results[0].offset + 1)
            (plain,) = await self.append(log, Append("a", b"plain"))
            await self.append(log, Append("a", b"3 again", key="3"), Append("a", b"4 again", key="4"))
            page = await self.read(log, "a")
            assert b"plain" not in records_of(page)
            assert page.oldest == plain.offset + 1, "one without a key is missed when it goes"

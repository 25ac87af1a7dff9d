"""What every `SharedLog` promises beside what every `Log` does. Whoever writes a backend runs it through both:

class TestMySharedLog(SharedLogContract):
    async def make_logs(self, count: int) -> Sequence[SharedLog]:
        store = await start_store()
        return [MySharedLog(store) for _ in range(count)]

They are coroutines: run them with pytest-asyncio in auto mode, or anything that awaits tests.
"""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager
from unittest import SkipTest

from hubbub.ports import Append, Appended, Refused, SharedLog
from hubbub.ports.answers import answer
from hubbub.testing.waiting import Changes


class Recorder:
    """A sink that remembers what came. As a node does, it drops what it knows: offsets at or below the last."""

    def __init__(self) -> None:
        self.changes = Changes()
        self.entries: dict[str, list[tuple[int, bytes]]] = {}
        self.epochs: set[str] = set()
        self.interrupted_logs: list[str] = []

    def arrived(self, log: str, epoch: str, entries: Sequence[tuple[int, bytes]]) -> None:
        known = self.entries.setdefault(log, [])
        self.epochs.add(epoch)
        for offset, record in entries:
            if not known or offset > known[-1][0]:
                known.append((offset, record))
        self.changes.note()

    def interrupted(self, log: str) -> None:
        self.interrupted_logs.append(log)
        self.changes.note()

    def records(self, log: str) -> list[bytes]:
        return [record for _, record in self.entries.get(log, [])]

    async def until(self, log: str, last: bytes) -> list[bytes]:
        """The records that came of a log, once this is the last."""
        await self.changes.until(lambda: self.records(log)[-1:] == [last])
        return self.records(log)


class SharedLogContract:
    """Collected by pytest in a subclass whose name begins with `Test`."""

    @abstractmethod
    def make_logs(self, count: int) -> Sequence[SharedLog] | Awaitable[Sequence[SharedLog]]:
        """So many nodes' logs on one new store without records. They are closed by the suite."""

    async def interrupt(self, log: SharedLog) -> None:
        """Breaks off what this node follows with, as a network would. What cannot be broken leaves this out."""
        raise SkipTest("nothing comes between this log and who follows it")

    @asynccontextmanager
    async def opened(self, count: int = 2) -> AsyncIterator[Sequence[SharedLog]]:
        """The logs of so many nodes, closed at the end."""
        logs = await answer(self.make_logs(count))
        try:
            yield logs
        finally:
            for log in logs:
                await answer(log.close())

    async def append(self, log: SharedLog, *items: Append) -> list[Appended]:
        results: list[Appended] = []
        for result in await answer(log.append(items)):
            assert not isinstance(result, Refused), result
            results.append(result)
        return results

    async def all_records(self, log: SharedLog, name: str) -> list[tuple[int, bytes]]:
        return list((await answer(log.read(name, limit=10_000))).entries)

    async def test_every_node_hears_every_record_its_own_included(self) -> None:
        async with self.opened() as (one, two):
            ears = Recorder(), Recorder()
            for log, ear in zip((one, two), ears, strict=True):
                await log.follow("a", ear)
            appended = await self.append(one, Append("a", b"1"), Append("a", b"2"))
            await ears[1].until("a", b"2")
            appended += await self.append(two, Append("a", b"3"))
            for ear in ears:
                assert await ear.until("a", b"3") == [b"1", b"2", b"3"]
                assert [offset for offset, _ in ear.entries["a"]] == [result.offset for result in appended]
                assert ear.epochs == {appended[0].epoch}

    async def test_only_what_is_followed_comes(self) -> None:
        async with self.opened() as (one, two):
            ear = Recorder()
            await one.follow("a", ear)
            await one.follow("A", ear)
            await self.append(two, Append("b", b"1"), Append("a", b"2"), Append("aa", b"3"))
            await self.append(two, Append("A", b"4"))
            await ear.until("a", b"2")
            await ear.until("A", b"4")
            assert set(ear.entries) == {"a", "A"}

    async def test_following_begins_at_the_head_that_is_answered(self) -> None:
        async with self.opened() as (one, two):
            before = await one.follow("empty", Recorder())
            assert before.offset == 0
            for round in range(20):
                name = f"log {round}"
                ear = Recorder()
                appending = asyncio.create_task(
                    self.append(two, *(Append(name, b"%d" % number) for number in range(round)))
                )
                more = asyncio.create_task(self.append(two, Append(name, b"more")))
                head = await one.follow(name, ear)
                await asyncio.gather(appending, more)
                await self.append(two, Append(name, b"last"))
                await ear.until(name, b"last")
                expected = [entry for entry in await self.all_records(one, name) if entry[0] > head.offset]
                assert [entry for entry in ear.entries[name] if entry[0] > head.offset] == expected
                assert ear.epochs == {head.epoch}

    async def test_all_hear_one_order_though_many_append_at_once(self) -> None:
        async with self.opened(3) as logs:
            ears = [Recorder() for _ in logs]
            for log, ear in zip(logs, ears, strict=True):
                await log.follow("a", ear)

            async def work(number: int) -> None:
                for step in range(30):
                    await self.append(logs[number], Append("a", b"%d.%d" % (number, step)), Append("b", b"x"))

            await asyncio.gather(*map(work, range(3)))
            await self.append(logs[0], Append("a", b"last"))
            written = await self.all_records(logs[1], "a")
            assert len(written) == 91
            for ear in ears:
                await ear.until("a", b"last")
                assert ear.entries["a"] == written
            for number in range(3):
                own = [record for _, record in written if record.startswith(b"%d." % number)]
                assert own == [b"%d.%d" % (number, step) for step in range(30)]

    async def test_a_dense_log_skips_no_offset(self) -> None:
        async with self.opened() as (one, two):
            if not one.dense:
                raise SkipTest("this log has holes")
            for log in (one, two, one):
                await self.append(
                    log, Append("a", b"x", "s", "1"), Append("a", b"x"), Append("a", b"x", "s", "1"), Append("b", b"x")
                )
            assert [offset for offset, _ in await self.all_records(two, "a")] == [1, 2, 3, 4]

    async def test_any_bytes_come_as_they_were(self) -> None:
        async with self.opened() as (one, two):
            ear = Recorder()
            await one.follow("a", ear)
            records = [b"", b"\n", b"1:2:3\n", bytes(range(256)), "🙂".encode(), b"x" * 65536, b"\r\n$1\r\n", b"end"]
            await self.append(two, *(Append("a", record) for record in records))
            assert await ear.until("a", b"end") == records
            for record in (b"\n", b"", b"last"):
                await self.append(two, Append("a", record))
            assert await ear.until("a", b"last") == [*records, b"\n", b"", b"last"]

    async def test_who_leaves_hears_no_more(self) -> None:
        async with self.opened() as (one, two):
            leaving, staying, back = Recorder(), Recorder(), Recorder()
            await one.follow("a", leaving)
            await one.follow("a", leaving)
            await one.follow("a", staying)
            await self.append(two, Append("a", b"1"))
            await leaving.until("a", b"1")
            one.unfollow("a", leaving)
            one.unfollow("a", leaving)
            one.unfollow("nothing", leaving)
            await self.append(two, Append("a", b"2"))
            await staying.until("a", b"2")
            one.unfollow("a", staying)
            await self.append(two, Append("a", b"3"))
            head = await one.follow("a", back)
            await self.append(two, Append("a", b"4"))
            await back.until("a", b"4")
            assert leaving.records("a") == [b"1"]
            assert staying.records("a") == [b"1", b"2"]
            assert head.offset == (await self.all_records(one, "a"))[2][0]

    async def test_a_repeat_through_another_node_is_known_and_heard_once(self) -> None:
        async with self.opened() as (one, two):
            ear = Recorder()
            await two.follow("a", ear)
            (first,) = await self.append(one, Append("a", b"1", "session", "AB"))
            (again,) = await self.append(two, Append("a", b"1", "session", "ab"))
            assert again == Appended(first.epoch, first.offset, True)
            await self.append(one, Append("a", b"2"))
            assert await ear.until("a", b"2") == [b"1", b"2"]
            assert [record for _, record in await self.all_records(two, "a")] == [b"1", b"2"]

    async def test_of_several_who_expect_the_same_head_one_appends(self) -> None:
        async with self.opened() as logs:
            if not logs[0].conditional:
                (refused,) = await answer(logs[0].append([Append("a", b"x", expected=0)]))
                assert isinstance(refused, Refused)
                assert refused.code == "unavailable"
                return
            head = 0
            for round in range(10):
                tries = [
                    log.append([Append("a", b"%d" % number, f"s{number}", f"{round}", expected=head)])
                    for number, log in enumerate(logs)
                ]
                results = [(await answer(one))[0] for one in tries]
                taken = [result for result in results if isinstance(result, Appended)]
                refused_ones = [result for result in results if isinstance(result, Refused)]
                assert len(taken) == 1
                assert [one.code for one in refused_ones] == ["conflict"]
                head = taken[0].offset
            assert len(await self.all_records(logs[1], "a")) == 10
            (again,) = await answer(logs[0].append([Append("a", b"x", "s9", "9", expected=0)]))
            assert isinstance(again, Refused)
            (unexpected,) = await self.append(logs[1], Append("a", b"y"))
            assert unexpected.offset > head

    async def test_a_repeat_is_no_conflict(self) -> None:
        async with self.opened() as (one, two):
            if not one.conditional:
                raise SkipTest("this log has no conditional append")
            (first,) = await self.append(one, Append("a", b"1", "s", "1", expected=0))
            await self.append(two, Append("a", b"2"))
            (again,) = await self.append(two, Append("a", b"1", "s", "1", expected=0))
            assert again == Appended(first.epoch, first.offset, True)

    async def test_an_interruption_is_told_and_what_was_missed_can_be_read(self) -> None:
        async with self.opened() as (one, two):
            ear, other = Recorder(), Recorder()
            await one.follow("a", ear)
            await one.follow("b", ear)
            await two.follow("a", other)
            await self.append(two, Append("a", b"1"))
            await ear.until("a", b"1")
            await self.interrupt(one)
            await self.append(two, Append("a", b"2"))
            await ear.changes.until(lambda: {"a", "b"} <= set(ear.interrupted_logs))
            # What is read now, and what comes from now on, leave nothing between them.
            missed = await self.all_records(one, "a")
            await self.append(two, Append("a", b"3"))
            await ear.until("a", b"3")
            heard = {*missed, *ear.entries["a"]}
            assert {record for _, record in heard} == {b"1", b"2", b"3"}
            assert other.interrupted_logs == []
            assert await other.until("a", b"3") == [b"1", b"2", b"3"]

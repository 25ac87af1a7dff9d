"""What every `Log` promises, as tests. Whoever writes a backend runs it through them:

class TestMyLog(LogContract):
    def make_log(self) -> Log:
        return MyLog()

They are coroutines: run them with pytest-asyncio in auto mode, or anything that awaits tests.
"""

from __future__ import annotations

from hubbub.ports import Append, Appended
from hubbub.ports.answers import answer
from hubbub.protocol.payloads import Position
from hubbub.testing.log_condition_contract import LogConditionContract
from hubbub.testing.log_retention_contract import LogRetentionContract
from hubbub.testing.log_suite import records_of


class LogContract(LogConditionContract, LogRetentionContract):
    """Collected by pytest in a subclass whose name begins with `Test`. The log must keep at least 1000 records."""

    DEDUP_MOST = 5000
    """A session's first message id must be forgotten after so many others: nothing grows for ever."""

    # --- Appending and reading --------------------------------------------------------------------------

    async def test_offsets_grow_and_every_name_is_a_log_of_its_own(self) -> None:
        async with self.opened() as log:
            first = await self.append(log, Append("a", b"1"), Append("b", b"2"), Append("a", b"3"))
            second = await self.append(log, Append("a", b"4"))
            offsets = [first[0].offset, first[2].offset, second[0].offset]
            assert 1 <= offsets[0] < offsets[1] < offsets[2]
            assert len({result.epoch for result in (first[0], first[2], second[0])}) == 1
            assert records_of(await self.read(log, "a")) == [b"1", b"3", b"4"]
            assert records_of(await self.read(log, "b")) == [b"2"]

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
                assert records_of(page) == [str(at.index(offset)).encode() for offset, _ in page.entries]
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
            assert records_of(await self.read(log, "a")) == records
            assert records_of(await self.read(log, "a", limit=3, newest=True)) == records[-3:]

    async def test_batches_keep_their_order_though_nobody_waits_between_them(self) -> None:
        async with self.opened() as log:
            batches = [[Append(f"{n % 3}", f"{batch}.{n}".encode()) for n in range(7)] for batch in range(20)]
            answers = [await answer(pending) for pending in [log.append(batch) for batch in batches]]
            for name in ("0", "1", "2"):
                sent = [item.record for batch in batches for item in batch if item.log == name]
                assert records_of(await self.read(log, name)) == sent
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
            assert records_of(await self.read(log, "a")) == [b"1", b"3", b"5"]

    async def test_a_repeat_that_comes_while_the_first_is_under_way(self) -> None:
        async with self.opened() as log:
            item = Append("a", b"1", "session", "ab")
            first, second = log.append([item]), log.append([item, Append("a", b"2")])
            (one,), (again, next) = await answer(first), await answer(second)
            assert isinstance(one, Appended)
            assert again == Appended(one.epoch, one.offset, True)
            assert isinstance(next, Appended)
            assert next.offset > one.offset
            assert records_of(await self.read(log, "a")) == [b"1", b"2"]

    async def test_1000_message_ids_of_a_session_are_remembered_until_it_is_forgotten(self) -> None:
        async with self.opened() as log:
            for start in range(0, 1000, 50):
                await self.append(log, *(Append("a", b"x", "session", str(start + number)) for number in range(50)))
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

    # --- The end ----------------------------------------------------------------------------------------

    async def test_what_was_accepted_before_it_is_closed_is_answered(self) -> None:
        async with self.opened() as log:
            pending = [log.append([Append("a", b"%d" % number, "session", f"{number}")]) for number in range(10)]
            await answer(log.close())
            answers = [(await answer(one))[0] for one in pending]
            assert all(isinstance(result, Appended) for result in answers)
            await answer(log.close())

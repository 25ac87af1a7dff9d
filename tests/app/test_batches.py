"""The batching queue: size, time, order, retries, dead letters, backpressure.

What takes time runs on virtual time, where a deadline is exact and nothing waits for it.
"""

import asyncio
import logging
from collections.abc import Callable

import pytest

from hubbub.app.batches import BatchQueue
from hubbub.testing.loop import virtual
from tests.app.processes import Gate, Grave, Recorder, settle

# --- When a batch goes ---------------------------------------------------------------------------------


@virtual
async def test_a_full_batch_goes_at_once_and_the_rest_when_its_first_has_waited() -> None:
    recorder = Recorder()
    began = asyncio.get_running_loop().time()
    async with BatchQueue(recorder) as queue:
        for item in range(12):
            await queue.put(item)
        await asyncio.sleep(1)
        assert recorder.batches == [list(range(10)), [10, 11]]
        assert [time - began for time in recorder.times] == pytest.approx([0, 0.05])


@virtual
async def test_the_wait_begins_with_the_first_item_and_later_ones_do_not_prolong_it() -> None:
    recorder = Recorder()
    async with BatchQueue(recorder, size=10, wait=1.0) as queue:
        for item in range(5):
            began = asyncio.get_running_loop().time()
            assert queue.try_put(item)
            await asyncio.sleep(0.3)
        assert recorder.batches == [[0, 1, 2, 3]]
        assert recorder.times == pytest.approx([began - 4 * 0.3 + 1])


async def test_on_a_real_loop() -> None:
    recorder = Recorder()
    async with asyncio.timeout(10), BatchQueue(recorder, size=2, wait=0.001) as queue:
        await queue.put(1)
        await recorder.called.wait()
        recorder.called.clear()
        await queue.put(2)
        await queue.put(3)
        await recorder.called.wait()
    assert recorder.batches[0] == [1]
    assert [item for batch in recorder.batches for item in batch] == [1, 2, 3]


async def test_a_process_that_is_not_async_leaves_others_their_turn() -> None:
    turns = []

    def process(items: list[int]) -> None:
        turns.append(items)

    queue = BatchQueue(process, size=1)
    for item in range(3):
        await queue.put(item)
    async with queue:
        while len(turns) < 3:
            turns.append([])
            await asyncio.sleep(0)
    assert [] in turns[turns.index([0]) : turns.index([2])]
    assert [turn for turn in turns if turn] == [[0], [1], [2]]


async def test_order_is_kept_and_batches_go_one_at_a_time() -> None:
    gate = Gate()
    async with asyncio.timeout(10), BatchQueue(gate, size=4) as queue:
        for item in range(12):
            await queue.put(item)
        seen = []
        for _ in range(3):
            seen.append(await gate.entered.get())
            await settle()
            assert gate.entered.empty()
            gate.let.release()
    assert seen == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]


# --- Failures ------------------------------------------------------------------------------------------


@virtual
async def test_a_failing_batch_is_retried_before_anything_else(caplog: pytest.LogCaptureFixture) -> None:
    recorder, grave = Recorder(failures=2), Grave()
    async with BatchQueue(recorder, size=2, retry_delay=0.1, dead_letter=grave) as queue:
        for item in range(4):
            await queue.put(item)
        await asyncio.sleep(10)
    assert recorder.batches == [[0, 1], [0, 1], [0, 1], [2, 3]]
    gaps = [later - earlier for earlier, later in zip(recorder.times, recorder.times[1:], strict=False)]
    assert gaps == pytest.approx([0.1, 0.2, 0])
    assert grave.items == []
    assert [record.getMessage().count("attempt") for record in caplog.records] == [1, 1]
    assert all(record.exc_info for record in caplog.records)


@pytest.mark.parametrize("later", [False, True])
def test_what_keeps_failing_goes_to_the_dead_letter_and_the_next_batch_goes_on(later: bool) -> None:
    @virtual
    async def run() -> None:
        recorder, grave = Recorder(failures=4), Grave()

        async def bury(items: list[int], error: Exception) -> None:
            await asyncio.sleep(1)
            grave(items, error)

        async with BatchQueue(recorder, size=2, retries=3, dead_letter=bury if later else grave) as queue:
            for item in range(4):
                await queue.put(item)
        assert recorder.batches == [[0, 1]] * 4 + [[2, 3]]
        assert grave.items == [[0, 1]]
        assert isinstance(grave.errors[0], OSError)

    run()


@virtual
async def test_without_a_dead_letter_the_loss_is_logged_with_its_count(caplog: pytest.LogCaptureFixture) -> None:
    async with BatchQueue(Recorder(failures=1), size=3, retries=0, name="the orders") as queue:
        for item in range(3):
            await queue.put(item)
    lost = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert [record.getMessage() for record in lost] == ["the orders: 3 items are lost, for want of a dead_letter"]


@virtual
async def test_a_dead_letter_that_raises_harms_nothing(caplog: pytest.LogCaptureFixture) -> None:
    recorder = Recorder(failures=1)

    def bury(items: list[int], error: Exception) -> None:
        raise RuntimeError("no grave")

    async with BatchQueue(recorder, size=1, retries=0, dead_letter=bury) as queue:
        await queue.put(0)
        await queue.put(1)
    assert recorder.batches == [[0], [1]]
    assert "dead_letter failed, 1 items are lost" in caplog.text
    assert "no grave" in caplog.text


@virtual
async def test_something_cancelled_inside_a_process_is_a_failure_and_not_the_end() -> None:
    grave, seen = Grave(), []

    async def process(items: list[int]) -> None:
        seen.append(items)
        if items == [0]:
            cancelled: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            cancelled.cancel()
            await cancelled

    async with BatchQueue(process, size=1, retries=1, dead_letter=grave) as queue:
        await queue.put(0)
        await queue.put(1)
    assert seen == [[0], [0], [1]]
    assert isinstance(grave.errors[0].__cause__, asyncio.CancelledError)


@virtual
async def test_a_process_may_do_with_its_list_what_it_likes() -> None:
    grave = Grave()

    def process(items: list[int]) -> None:
        items.clear()
        raise ValueError

    async with BatchQueue(process, size=2, retries=1, dead_letter=grave) as queue:
        await queue.put(0)
        await queue.put(1)
    assert grave.items == [[0, 1]]


# --- Backpressure --------------------------------------------------------------------------------------


async def test_a_full_queue_makes_its_producer_wait_and_lets_it_go_on() -> None:
    gate = Gate()
    done = []

    async def produce(queue: BatchQueue[int]) -> None:
        for item in range(12):
            await queue.put(item)
            done.append(item)

    async with asyncio.timeout(10), BatchQueue(gate, size=2, limit=4) as queue:
        producer = asyncio.create_task(produce(queue))
        assert await gate.entered.get() == [0, 1]
        await settle()
        assert (done, len(queue)) == ([0, 1, 2, 3], 4), "the batch under way counts"
        assert not queue.try_put(99)
        gate.let.release()
        assert await gate.entered.get() == [2, 3]
        await settle()
        assert done == [0, 1, 2, 3, 4, 5]
        for _ in range(5):
            gate.let.release()
        await producer
    assert [gate.entered.get_nowait() for _ in range(4)] == [[4, 5], [6, 7], [8, 9], [10, 11]]


@virtual
async def test_retries_hold_the_producer_back_too() -> None:
    recorder = Recorder(failures=1)
    loop = asyncio.get_running_loop()
    async with BatchQueue(recorder, size=1, limit=1, retry_delay=7.0) as queue:
        began = loop.time()
        await queue.put(0)
        await queue.put(1)
        assert loop.time() - began == pytest.approx(7)


async def test_producers_are_served_in_turn_and_none_is_overtaken() -> None:
    gate = Gate()
    async with asyncio.timeout(10), BatchQueue(gate, size=1, limit=1) as queue:
        await queue.put(0)
        waiting = [asyncio.create_task(queue.put(item)) for item in (1, 2, 3)]
        await gate.entered.get()
        await settle()
        waiting[0].cancel()
        await settle()
        gate.let.release()
        while not waiting[1].done():
            assert not queue.try_put(99)
            await asyncio.sleep(0)
        for _ in range(3):
            gate.let.release()
        await asyncio.wait(waiting)
    assert [gate.entered.get_nowait() for _ in range(2)] == [[2], [3]]
    assert waiting[0].cancelled()


async def test_a_place_given_to_a_producer_that_was_cancelled_goes_to_the_next() -> None:
    release: list[Callable[[], object]] = []
    seen: list[list[int]] = []

    def process(items: list[int]) -> None:
        seen.append(items)
        if items == [0]:
            # The batch is over when this returns, which gives the first producer its place: cancelled just then.
            asyncio.get_running_loop().call_soon(release[0])

    queue = BatchQueue(process, size=1, limit=1)
    await queue.put(0)
    waiting = [asyncio.create_task(queue.put(item)) for item in (1, 2)]
    release.append(waiting[0].cancel)
    await settle()
    async with asyncio.timeout(10):
        queue.start()
        await asyncio.wait(waiting)
        await queue.drain()
    assert waiting[0].cancelled()
    assert seen == [[0], [2]]


async def test_producers_that_give_up_leave_nothing_behind() -> None:
    queue = BatchQueue(Recorder(), size=1, limit=1)
    await queue.put(0)
    for item in range(100):
        task = asyncio.create_task(queue.put(item))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait({task})
    assert len(queue._turns) == 0
    await queue.drain()
    assert len(queue) == 0

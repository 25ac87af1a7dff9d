"""The end of a batching queue: what is there is processed, or dead, and nobody waits for ever."""

import asyncio
from typing import Any

import pytest

from hubbub.app.batches import BatchQueue
from hubbub.errors import ConfigurationError, HubbubError
from hubbub.testing.loop import virtual
from tests.app.processes import Gate, Grave, Recorder


@virtual
async def test_draining_processes_what_is_there_with_its_retries_and_without_the_wait() -> None:
    recorder, loop = Recorder(failures=2), asyncio.get_running_loop()
    queue = BatchQueue(recorder, size=10, wait=3600, retry_delay=0.1)
    queue.start()
    for item in range(15):
        await queue.put(item)
    began = loop.time()
    await queue.drain()
    assert loop.time() - began == pytest.approx(0.3)
    assert recorder.batches == [list(range(10))] * 3 + [[10, 11, 12, 13, 14]]
    assert len(queue) == 0
    await queue.drain()


@virtual
async def test_after_the_drain_nothing_is_taken() -> None:
    queue = BatchQueue(Recorder(), name="the orders")
    async with queue:
        pass
    with pytest.raises(HubbubError, match="the orders is closed and takes no more"):
        await queue.put(1)
    with pytest.raises(HubbubError, match="closed"):
        queue.try_put(1)
    with pytest.raises(HubbubError, match="before"):
        queue.start()


async def test_producers_that_wait_hear_of_the_drain() -> None:
    gate = Gate()
    queue = BatchQueue(gate, size=1, limit=1)
    queue.start()
    await queue.put(0)
    waiting = [asyncio.create_task(queue.put(item)) for item in (1, 2)]
    async with asyncio.timeout(10):
        await gate.entered.get()
        draining = asyncio.create_task(queue.drain())
        outcomes = await asyncio.gather(*waiting, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [HubbubError] * 2
        gate.let.release()
        await draining
    assert gate.entered.empty()


@virtual
async def test_what_a_drain_cannot_process_in_time_goes_to_the_dead_letter_in_order() -> None:
    gate, grave, loop = Gate(), Grave(), asyncio.get_running_loop()
    queue = BatchQueue(gate, size=2, dead_letter=grave)
    queue.start()
    for item in range(5):
        await queue.put(item)
    await gate.entered.get()
    began = loop.time()
    await queue.drain(timeout=3)
    assert loop.time() - began == pytest.approx(3)
    assert grave.items == [[0, 1, 2, 3, 4]]
    assert isinstance(grave.errors[0], HubbubError)
    assert (gate.inside, len(queue)) == (0, 0)


@virtual
async def test_a_dead_letter_that_hangs_does_not_hold_the_stop_up(caplog: pytest.LogCaptureFixture) -> None:
    async def bury(items: list[int], error: Exception) -> None:
        await asyncio.get_running_loop().create_future()

    queue = BatchQueue(Recorder(failures=99), size=2, retries=0, dead_letter=bury)
    queue.start()
    for item in range(3):
        await queue.put(item)
    await queue.drain(timeout=3)
    assert "3 items are lost" in caplog.text, "those it was busy with, too"


@virtual
async def test_a_process_that_ends_although_it_was_cancelled_has_done_its_batch() -> None:
    grave = Grave()

    async def process(items: list[int]) -> None:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            return

    queue = BatchQueue(process, size=1, dead_letter=grave)
    queue.start()
    await queue.put(0)
    await queue.put(1)
    await queue.drain(timeout=1)
    assert grave.items == [[1]]


@virtual
async def test_what_was_put_before_the_start_waits_for_it_and_a_drain_alone_will_do() -> None:
    recorder = Recorder()
    queue = BatchQueue(recorder)
    await queue.put(1)
    await asyncio.sleep(10)
    assert recorder.batches == []
    await queue.drain()
    assert recorder.batches == [[1]]


@virtual
async def test_a_queue_cancelled_from_outside_says_what_it_had_and_nobody_waits_for_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    gate, grave = Gate(), Grave()
    queue = BatchQueue(gate, size=1, limit=2, dead_letter=grave, name="the orders")
    queue.start()
    await queue.put(0)
    await queue.put(1)
    waiting = asyncio.create_task(queue.put(2))
    await gate.entered.get()
    assert queue._task is not None
    queue._task.cancel()
    with pytest.raises(HubbubError):
        await waiting
    assert "the orders was cancelled with 2 items in it" in caplog.text
    await queue.drain()
    assert grave.items == [[0, 1]]


@virtual
async def test_an_error_in_the_block_does_not_keep_the_queue_from_draining() -> None:
    recorder = Recorder()
    with pytest.raises(ZeroDivisionError):
        async with BatchQueue(recorder) as queue:
            await queue.put(1)
            raise ZeroDivisionError
    assert recorder.batches == [[1]]


@pytest.mark.parametrize("options", [{"size": 0}, {"limit": 9}, {"wait": -1}, {"retries": -1}])
def test_wrong_options_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        BatchQueue(print, **options)

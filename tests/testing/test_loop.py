"""The loop on virtual time."""

import asyncio
import gc
import threading
import time

import pytest

from hubbub.testing.loop import Stuck, VirtualLoop, virtual


def now() -> float:
    return asyncio.get_running_loop().time()


@virtual
async def test_time_jumps_to_the_next_timer_exactly() -> None:
    real = time.monotonic()
    began = now()
    await asyncio.sleep(3600.1)
    assert now() == began + 3600.1
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(5):
            await asyncio.Event().wait()
    assert now() == began + 3600.1 + 5
    await asyncio.sleep(10 * 24 * 3600)
    assert time.monotonic() - real < 5


@virtual
async def test_timers_go_off_by_time_and_then_in_the_order_they_were_set() -> None:
    loop = asyncio.get_running_loop()
    seen: list[int] = []
    when = loop.time() + 1
    for number in range(100):
        loop.call_at(when, seen.append, number)
    loop.call_at(when - 0.5, seen.append, -1)
    loop.call_at(when, seen.append, 1000).cancel()
    await asyncio.sleep(2)
    assert seen == [-1, *range(100)]


@virtual
async def test_tasks_queues_and_cancellation_work() -> None:
    queue: asyncio.Queue[int] = asyncio.Queue(1)

    async def produce() -> None:
        for number in range(10):
            await asyncio.sleep(1)
            await queue.put(number)

    began = now()
    async with asyncio.TaskGroup() as group:
        group.create_task(produce())
        assert [await queue.get() for _ in range(10)] == list(range(10))
    assert now() == began + 10
    sleeping = asyncio.create_task(asyncio.sleep(3600))
    await asyncio.sleep(0)
    sleeping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sleeping
    assert now() == began + 10


@virtual
async def test_a_thread_costs_no_virtual_time() -> None:
    began = now()
    other = asyncio.create_task(asyncio.sleep(1))

    def work() -> int:
        time.sleep(0.05)
        return 3

    assert await asyncio.to_thread(work) == 3
    assert now() == began
    await other


@virtual
async def test_what_another_thread_hands_in_is_taken() -> None:
    loop = asyncio.get_running_loop()
    done = asyncio.Event()
    thread = threading.Thread(target=lambda: loop.call_soon_threadsafe(done.set))
    thread.start()
    thread.join()
    await done.wait()


def test_a_program_that_can_never_go_on_is_told_where_it_waits() -> None:
    @virtual
    async def hang() -> None:
        await asyncio.Event().wait()

    with pytest.raises(Stuck, match=r"hang waits at .*test_loop\.py:\d+"):
        hang()


def test_a_program_that_never_ends_is_stopped_at_the_horizon() -> None:
    async def poll() -> None:
        while True:
            await asyncio.sleep(60)

    with asyncio.Runner(loop_factory=lambda: VirtualLoop(horizon=3600)) as runner:
        with pytest.raises(Stuck, match="horizon"):
            runner.run(poll())


def test_it_is_deterministic() -> None:
    @virtual
    async def trace() -> list[tuple[float, int]]:
        seen: list[tuple[float, int]] = []

        async def work(number: int) -> None:
            for _ in range(5):
                await asyncio.sleep(number % 3)
                seen.append((now(), number))

        await asyncio.gather(*map(work, range(20)))
        return seen

    assert trace() == trace()


@virtual
async def test_a_task_that_nobody_holds_lives_on() -> None:
    """As those of a process that died in a simulation: nothing of it runs before the loop ends."""
    ended: list[str] = []

    async def wait_for_nothing() -> None:
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            ended.append("now")

    asyncio.get_running_loop().create_task(wait_for_nothing())
    await asyncio.sleep(1)
    gc.collect()
    assert ended == []

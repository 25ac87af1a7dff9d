"""What the tests of the batching queue hand it: processes that note, fail and wait, and a dead letter."""

import asyncio


class Recorder:
    """A `process` that keeps its batches with the time of each; it fails the first `failures` times."""

    def __init__(self, failures: int = 0) -> None:
        self.batches: list[list[int]] = []
        self.times: list[float] = []
        self.failures = failures
        self.called = asyncio.Event()

    async def __call__(self, items: list[int]) -> None:
        self.batches.append(items)
        self.times.append(asyncio.get_running_loop().time())
        self.called.set()
        if self.failures > 0:
            self.failures -= 1
            raise OSError("the database is down")


class Gate:
    """A `process` that lets each batch through when it is told to."""

    def __init__(self) -> None:
        self.entered: asyncio.Queue[list[int]] = asyncio.Queue()
        self.let = asyncio.Semaphore(0)
        self.inside = 0

    async def __call__(self, items: list[int]) -> None:
        self.inside += 1
        assert self.inside == 1, "one batch at a time"
        self.entered.put_nowait(items)
        try:
            await self.let.acquire()
        finally:
            self.inside -= 1


class Grave:
    """A `dead_letter` that keeps what it gets."""

    def __init__(self) -> None:
        self.items: list[list[int]] = []
        self.errors: list[Exception] = []

    def __call__(self, items: list[int], error: Exception) -> None:
        self.items.append(items)
        self.errors.append(error)


async def settle() -> None:
    """Everything that can go on without time passing has gone on."""
    for _ in range(20):
        await asyncio.sleep(0)

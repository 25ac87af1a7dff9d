"""Appends as fast as it can and prints what was acknowledged, until it is killed."""

import asyncio
import sys
from itertools import count

from hubbub.backends.sqlite.storage import open_storage
from hubbub.delivery.retention import Retention, RetentionPolicy
from hubbub.ports import Append, Appended
from hubbub.ports.answers import answer


async def main(path: str, fsync: str, round: str) -> None:
    policy = RetentionPolicy(Retention(messages=10**6, size=10**9))
    storage = open_storage(path, fsync=fsync, retention=policy)  # type: ignore[arg-type]
    numbers = count()

    async def append() -> None:
        for number in numbers:
            record = f"{round}.{number}"
            (result,) = await answer(storage.log.append([Append("a", record.encode(), "s", record)]))
            assert isinstance(result, Appended)
            print(result.epoch, result.offset, record, flush=True)

    await asyncio.gather(*(append() for _ in range(5)))


asyncio.run(main(*sys.argv[1:]))

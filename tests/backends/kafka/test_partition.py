import asyncio

import pytest

from hubbub.backends.kafka.partition import Partition


async def test_who_waits_for_a_partition_is_told_when_it_is_given_up() -> None:
    partition = Partition(3, 0.0)
    first, second = (asyncio.create_task(partition.reach(offset)) for offset in (5, 9))
    await asyncio.sleep(0)
    partition.advance(6)
    await first
    partition.give_up(ConnectionError("gone"))
    for waiting in (second, partition.reach(7), partition.opened):
        with pytest.raises(ConnectionError, match="gone"):
            await waiting
    with pytest.raises(ConnectionError, match="gone"):
        await partition.reach(1)

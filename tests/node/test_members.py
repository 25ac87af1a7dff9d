"""Who is in the cluster, and who has gone."""

import asyncio
from typing import Any

import pytest

from hubbub import ConfigurationError
from hubbub.backends.memory.registry import MemoryRegistry
from hubbub.node.members import INTERVAL, TTL, Members
from hubbub.ports import NodeRecord
from hubbub.testing.loop import virtual


class FlakyRegistry(MemoryRegistry):
    """`is_away`: it cannot be had; `is_slow`: it does not answer."""

    is_away = False
    is_slow = False

    async def _check(self) -> None:
        if self.is_slow:
            await asyncio.sleep(3600)
        if self.is_away:
            raise ConnectionError("away")

    async def announce(self, record: NodeRecord, ttl: float) -> bool:  # type: ignore[override]
        await self._check()
        return super().announce(record, ttl)

    async def nodes(self) -> Any:  # type: ignore[override]
        await self._check()
        return super().nodes()

    async def withdraw(self, name: str, run: str) -> None:  # type: ignore[override]
        await self._check()
        super().withdraw(name, run)

    def lose_everything(self) -> None:
        self._nodes.clear()


def registry() -> FlakyRegistry:
    return FlakyRegistry(clock=asyncio.get_running_loop().time)


def members(registry: MemoryRegistry, name: str, run: str = "r1", load: int = 0) -> Members:
    clock = asyncio.get_running_loop().time
    made = Members(registry, name, run, load=lambda: load, clock=clock, wall=clock)
    made.url = f"ws://{name}/ws"
    return made


async def cluster(registry: MemoryRegistry, **loads: int) -> list[Members]:
    made = [members(registry, name, load=load) for name, load in loads.items()]
    for one in made:
        await one.start()
    for one in made:
        await one.announce()
    return made


@virtual
async def test_everyone_sees_everyone_and_the_least_loaded_first() -> None:
    a, b, c = await cluster(registry(), a=7, b=3, c=5)
    assert [node.name for node in a.others()] == ["b", "c"]
    assert a.find("b") == b.record
    assert a.find("a") == a.record
    assert [one.least_loaded().name for one in (a, b, c)] == ["b", "b", "b"]  # type: ignore[union-attr]
    assert a.least_loaded({"b"}).name == "c"  # type: ignore[union-attr]
    assert a.least_loaded({"a", "b", "c"}) is None


@virtual
async def test_nobody_is_sent_to_a_node_that_drains_is_full_or_cannot_be_reached() -> None:
    a, b, c, d = await cluster(registry(), a=9, b=1, c=2, d=3)
    b.state, c.url, d.capacity = "draining", "", 3
    for one in (b, c, d):
        await one.announce()
    await a.announce()
    assert a.least_loaded().name == "a"  # type: ignore[union-attr]


@virtual
async def test_who_stops_is_gone_at_the_next_look() -> None:
    a, b = await cluster(registry(), a=0, b=0)
    gone: list[str] = []
    a.on_gone(gone.append)
    await b.stop()
    await asyncio.sleep(INTERVAL + 1)
    assert gone == ["b"]
    assert a.find("b") is None


@virtual
async def test_who_dies_is_gone_after_its_time() -> None:
    a, b = await cluster(registry(), a=0, b=0)
    gone: list[str] = []
    a.on_gone(gone.append)
    b.kill()
    await asyncio.sleep(TTL - INTERVAL)
    assert gone == []
    await asyncio.sleep(2 * INTERVAL)
    assert gone == ["b"]


@virtual
async def test_a_callback_that_fails_keeps_nobody_from_hearing() -> None:
    a, b, c = await cluster(registry(), a=0, b=0, c=0)
    gone: list[str] = []

    def fail(name: str) -> None:
        raise RuntimeError("no")

    a.on_gone(fail)
    a.on_gone(gone.append)
    await b.stop()
    await c.stop()
    await asyncio.sleep(INTERVAL + 1)
    assert gone == ["b", "c"]


@virtual
async def test_a_name_that_lives_is_refused_and_one_that_died_is_waited_for() -> None:
    shared = registry()
    (a,) = await cluster(shared, a=0)
    with pytest.raises(ConfigurationError) as raised:
        await members(shared, "a", "r2").start()
    assert raised.value.setting == "node"
    assert "'a'" in str(raised.value)
    a.kill()
    again = members(shared, "a", "r3")
    await again.start()
    assert again.find("a") == again.record


@virtual
@pytest.mark.parametrize("trouble", ["is_away", "is_slow"])
async def test_nobody_is_gone_because_the_registry_is(trouble: str) -> None:
    shared = registry()
    a, b = await cluster(shared, a=0, b=0)
    gone: list[str] = []
    a.on_gone(gone.append)
    setattr(shared, trouble, True)
    await asyncio.sleep(100)
    assert a.is_away
    assert gone == []
    setattr(shared, trouble, False)
    await asyncio.sleep(3 * INTERVAL)
    assert not a.is_away
    assert a.least_loaded({"a"}).name == "b"  # type: ignore[union-attr]
    await asyncio.sleep(TTL)
    assert gone == []
    await b.stop()
    await asyncio.sleep(2 * INTERVAL)
    assert gone == ["b"]


@virtual
async def test_nobody_is_gone_because_the_registry_was_emptied() -> None:
    shared = registry()
    a, b = await cluster(shared, a=0, b=0)
    gone: list[str] = []
    a.on_gone(gone.append)
    b.on_gone(gone.append)
    await asyncio.sleep(INTERVAL / 2)
    shared.lose_everything()
    await asyncio.sleep(TTL)
    assert gone == []
    assert a.find("b") is not None


@virtual
async def test_it_starts_and_stops_also_while_the_registry_is_away() -> None:
    shared = registry()
    shared.is_away = True
    a = members(shared, "a")
    await a.start()
    assert a.is_away
    assert a.least_loaded().name == "a"  # type: ignore[union-attr]
    await a.stop()

"""What every `Registry` promises, as tests. Whoever writes a backend runs it through them:

class TestMyRegistry(RegistryContract):
    async def make_registries(self, count: int) -> Sequence[Registry]:
        store = await start_store()
        return [MyRegistry(store) for _ in range(count)]

They are coroutines: run them with pytest-asyncio in auto mode, or anything that awaits tests.
"""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager

from msgspec.structs import replace

from hubbub.ports import Lease, NodeRecord, Registry
from hubbub.ports.answers import answer


class RegistryContract:
    """Collected by pytest in a subclass whose name begins with `Test`."""

    TTL = 4.0
    """Seconds that what is not renewed lives in the tests."""

    @abstractmethod
    def make_registries(self, count: int) -> Sequence[Registry] | Awaitable[Sequence[Registry]]:
        """So many nodes' registry on one new store. They are closed by the suite."""

    async def elapse(self, seconds: float) -> None:
        """Lets so much time pass by the clock that the registry goes by."""
        await asyncio.sleep(seconds)

    @asynccontextmanager
    async def opened(self, count: int = 2) -> AsyncIterator[Sequence[Registry]]:
        """The registry of so many nodes, closed at the end."""
        registries = await answer(self.make_registries(count))
        try:
            yield registries
        finally:
            for registry in registries:
                await answer(registry.close())

    def record(self, name: str = "n1", run: str = "first") -> NodeRecord:
        return NodeRecord(name, run, "ws://é.example:8000/node/n 1/ws", 17, 1000, "up", 1234567890.25)

    async def nodes(self, registry: Registry) -> list[NodeRecord]:
        return list(await answer(registry.nodes()))

    async def test_what_is_announced_is_seen_by_all_as_it_is(self) -> None:
        async with self.opened() as (one, two):
            assert await self.nodes(one) == []
            second = self.record("n2", 'é:{} "quoted"')
            assert await answer(two.announce(second, self.TTL))
            assert await answer(one.announce(self.record(), self.TTL))
            assert await self.nodes(one) == await self.nodes(two) == [self.record(), second]
            drained = replace(self.record(), load=18, state="draining")
            assert await answer(one.announce(drained, self.TTL))
            assert await self.nodes(two) == [drained, second]

    async def test_what_is_not_renewed_is_gone(self) -> None:
        async with self.opened() as (one, two):
            await answer(one.announce(self.record("n1"), self.TTL))
            await answer(two.announce(self.record("n2"), self.TTL))
            await self.elapse(self.TTL * 0.5)
            await answer(two.announce(self.record("n2"), self.TTL))
            assert [node.name for node in await self.nodes(one)] == ["n1", "n2"]
            await self.elapse(self.TTL * 0.75)
            assert [node.name for node in await self.nodes(one)] == ["n2"]
            assert await answer(one.announce(self.record("n1", "second"), self.TTL))
            assert [node.run for node in await self.nodes(two)] == ["second", "first"]

    async def test_a_name_belongs_to_one_run(self) -> None:
        async with self.opened() as (one, two):
            assert await answer(one.announce(self.record(run="first"), self.TTL))
            assert not await answer(two.announce(self.record(run="second"), self.TTL))
            await answer(two.withdraw("n1", "second"))
            assert await self.nodes(two) == [self.record(run="first")]
            await answer(one.withdraw("n1", "first"))
            await answer(one.withdraw("n1", "first"))
            assert await self.nodes(two) == []
            assert await answer(two.announce(self.record(run="second"), self.TTL))
            assert not await answer(one.announce(self.record(run="first"), self.TTL))

    async def test_of_several_with_one_name_one_gets_it(self) -> None:
        async with self.opened(3) as registries:
            tries = [answer(one.announce(self.record(run=f"{n}"), self.TTL)) for n, one in enumerate(registries)]
            assert sorted(await asyncio.gather(*tries)) == [False, False, True]

    async def test_a_lease_has_one_holder(self) -> None:
        async with self.opened() as (one, two):
            first = await answer(one.lease("leader", "n1", self.TTL))
            assert first is not None
            assert (first.name, first.holder, first.fence > 0) == ("leader", "n1", True)
            assert await answer(two.lease("leader", "n2", self.TTL)) is None
            assert await answer(one.lease("leader", "n1", self.TTL)) == first, "a renewal keeps its fence"
            other = await answer(two.lease("é {other}", "n2", self.TTL))
            assert other is not None
            assert other.holder == "n2"

    async def test_of_several_who_want_a_lease_one_gets_it(self) -> None:
        async with self.opened(3) as registries:
            tries = [answer(one.lease("leader", f"n{n}", self.TTL)) for n, one in enumerate(registries)]
            assert len([lease for lease in await asyncio.gather(*tries) if lease is not None]) == 1

    async def test_each_holder_has_a_higher_fence(self) -> None:
        async with self.opened() as (one, two):
            fences = []
            for round in range(3):
                lease = await answer((one, two)[round % 2].lease("leader", f"n{round % 2}", self.TTL))
                assert lease is not None
                fences.append(lease.fence)
                await answer((one, two)[round % 2].release(lease))
                await answer((one, two)[round % 2].release(lease))
            again = await answer(one.lease("leader", "n0", self.TTL))
            assert again is not None
            fences.append(again.fence)
            assert fences == sorted(set(fences))

    async def test_a_lease_that_is_not_renewed_is_anothers(self) -> None:
        async with self.opened() as (one, two):
            first = await answer(one.lease("leader", "n1", self.TTL))
            assert first is not None
            await self.elapse(self.TTL * 0.5)
            assert await answer(one.lease("leader", "n1", self.TTL)) == first
            await self.elapse(self.TTL * 0.75)
            assert await answer(two.lease("leader", "n2", self.TTL)) is None
            await self.elapse(self.TTL * 0.5)
            second = await answer(two.lease("leader", "n2", self.TTL))
            assert second is not None
            assert second.fence > first.fence
            await answer(one.release(first))
            await answer(one.release(Lease("leader", "n2", first.fence)))
            assert await answer(one.lease("leader", "n1", self.TTL)) is None, "what was let go of was another's"

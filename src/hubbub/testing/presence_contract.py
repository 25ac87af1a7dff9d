"""What every `Presence` promises, as tests. Whoever writes a backend runs it through them:

class TestMyPresence(PresenceContract):
    async def make_presences(self, count: int) -> Sequence[Presence]:
        store = await start_store()
        return [MyPresence(store) for _ in range(count)]

They are coroutines: run them with pytest-asyncio in auto mode, or anything that awaits tests.
"""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager

from hubbub.ports import Joined, Left, Presence
from hubbub.ports.answers import answer

ODD_NAMES = ("", "a:b", "1:2:x", "a b", "é🙂", "\0", "{x}", "a\nb", "%d")


class PresenceContract:
    """Collected by pytest in a subclass whose name begins with `Test`."""

    @abstractmethod
    def make_presences(self, count: int) -> Sequence[Presence] | Awaitable[Sequence[Presence]]:
        """So many nodes' presence on one new store. They are closed by the suite."""

    @asynccontextmanager
    async def opened(self, count: int = 2) -> AsyncIterator[Sequence[Presence]]:
        """The presence of so many nodes, closed at the end."""
        presences = await answer(self.make_presences(count))
        try:
            yield presences
        finally:
            for presence in presences:
                await answer(presence.close())

    async def users(self, presence: Presence, space: str = "den", limit: int = 100) -> list[str]:
        found = await answer(presence.members(space, limit))
        assert len(found.users) == min(found.count, limit)
        return list(found.users)

    async def test_who_joins_is_in_on_every_node(self) -> None:
        async with self.opened() as (one, two):
            assert await answer(one.join("den", "ann", "a1", "n1")) == Joined(True, 1)
            assert await answer(two.join("den", "bob", "b1", "n2")) == Joined(True, 2)
            assert await answer(two.join("den", "ann", "a2", "n2")) == Joined(False, 2)
            assert await answer(one.join("den", "ann", "a1", "n1")) == Joined(False, 2)
            assert await answer(one.join("other", "ann", "a1", "n1")) == Joined(True, 1)
            for presence in (one, two):
                assert await self.users(presence) == ["ann", "bob"]
                assert await self.users(presence, "nothing") == []

    async def test_members_are_in_the_order_they_came(self) -> None:
        async with self.opened() as (one, two):
            names = [f"{number * 7 % 20}" for number in range(20)]
            for number, name in enumerate(names):
                await answer((one, two)[number % 2].join("den", name, "s", "n"))
            await answer(one.join("den", names[0], "again", "n"))
            assert await self.users(two) == names
            found = await answer(two.members("den", 3))
            assert (found.count, list(found.users)) == (20, names[:3])
            assert await self.users(one, limit=0) == []
            await answer(one.leave("den", names[0], "s", "n"))
            await answer(one.leave("den", names[0], "again", "n"))
            await answer(one.join("den", names[0], "s", "n"))
            assert await self.users(two) == [*names[1:], names[0]]

    async def test_a_users_last_session_takes_it_out(self) -> None:
        async with self.opened() as (one, two):
            await answer(one.join("den", "ann", "a1", "n1"))
            await answer(two.join("den", "ann", "a2", "n2"))
            await answer(two.join("den", "bob", "b1", "n2"))
            assert await answer(one.leave("den", "ann", "a1", "n1")) == Left("den", "ann", False, 2)
            assert await answer(one.leave("den", "ann", "a1", "n1")) == Left("den", "ann", False, 2)
            assert await answer(two.leave("den", "ann", "a2", "n2")) == Left("den", "ann", True, 1)
            assert await answer(two.leave("den", "bob", "b1", "n2")) == Left("den", "bob", True, 0)
            assert await answer(two.leave("nothing", "bob", "b1", "n2")) == Left("nothing", "bob", False, 0)
            assert await answer(two.join("den", "bob", "b1", "n2")) == Joined(True, 1)

    async def test_a_limit_is_of_users(self) -> None:
        async with self.opened() as (one, two):
            assert await answer(one.join("den", "ann", "a1", "n1", limit=0)) is None
            assert await answer(one.join("den", "ann", "a1", "n1", limit=2)) == Joined(True, 1)
            assert await answer(two.join("den", "bob", "b1", "n2", limit=2)) == Joined(True, 2)
            assert await answer(two.join("den", "cy", "c1", "n2", limit=2)) is None
            assert await answer(two.join("den", "ann", "a2", "n2", limit=2)) == Joined(False, 2)
            assert await answer(two.join("den", "ann", "a3", "n2", limit=1)) == Joined(False, 2)
            assert await answer(one.join("den", "cy", "c1", "n1")) == Joined(True, 3)
            assert await self.users(one) == ["ann", "bob", "cy"]

    async def test_a_limit_holds_when_many_come_at_once(self) -> None:
        async with self.opened() as nodes:
            coming = [answer(nodes[n % 2].join("den", f"u{n}", "s", f"n{n % 2}", limit=5)) for n in range(40)]
            joined = [result for result in await asyncio.gather(*coming) if result is not None]
            assert sorted(result.count for result in joined) == [1, 2, 3, 4, 5]
            assert len(await self.users(nodes[0])) == 5

    async def test_an_entry_that_moved_is_the_new_nodes(self) -> None:
        async with self.opened() as (one, two):
            await answer(one.join("den", "ann", "a1", "n1"))
            assert await answer(two.join("den", "ann", "a1", "n2", limit=1)) == Joined(False, 1)
            assert await answer(one.leave("den", "ann", "a1", "n1")) == Left("den", "ann", False, 1)
            assert list(await answer(one.drop("n1"))) == []
            assert await self.users(one) == ["ann"]
            assert await answer(two.leave("den", "ann", "a1", "n2")) == Left("den", "ann", True, 0)

    async def test_a_node_that_is_gone_takes_its_own_with_it(self) -> None:
        async with self.opened() as (one, two):
            for space in ("den", "attic"):
                await answer(one.join(space, "ann", "a1", "n1"))
                await answer(one.join(space, "bob", "b1", "n1"))
                await answer(two.join(space, "bob", "b2", "n2"))
            await answer(one.join("den", "cy", "c1", "n1"))
            await answer(one.join("den", "cy", "c2", "n1"))
            departures = await answer(two.drop("n1"))
            assert {(left.space, left.user) for left in departures} == {("den", "ann"), ("attic", "ann"), ("den", "cy")}
            assert len(departures) == 3
            assert all(left.last for left in departures)
            assert min(left.count for left in departures if left.space == "den") == 1
            for space in ("den", "attic"):
                assert await self.users(one, space) == ["bob"]
            assert list(await answer(one.drop("n1"))) == []
            assert await answer(one.join("den", "ann", "a1", "n1")) == Joined(True, 2)

    async def test_each_departure_is_told_once_though_all_drop_the_node(self) -> None:
        async with self.opened(3) as nodes:
            for number in range(1200):
                await answer(nodes[0].join(f"space {number % 7}", f"u{number}", "s", "gone"))
            told = await asyncio.gather(*(answer(node.drop("gone")) for node in nodes))
            departures = [(left.space, left.user) for part in told for left in part]
            assert sorted(departures) == sorted((f"space {n % 7}", f"u{n}") for n in range(1200))
            assert await self.users(nodes[1], "space 0") == []

    async def test_names_are_any_text(self) -> None:
        async with self.opened() as (one, two):
            for name in ODD_NAMES:
                for other in ODD_NAMES:
                    assert await answer(one.join(name, other, name, "n" + other)) is not None
            for name in ODD_NAMES:
                assert await self.users(two, name) == list(ODD_NAMES)
            for other in ODD_NAMES:
                left = await answer(two.drop("n" + other))
                assert {(one.space, one.user) for one in left} == {(name, other) for name in ODD_NAMES}

    async def test_who_has_entries_is_known(self) -> None:
        async with self.opened() as (one, two):
            await answer(one.join("den", "ann", "a1", "n1"))
            await answer(two.join("den", "bob", "b1", "n2"))
            assert {"n1", "n2"} <= set(await answer(one.holders()))
            await answer(one.drop("n1"))
            assert "n1" not in await answer(two.holders())
            await answer(one.join("den", "ann", "a1", "n1"))
            assert {"n1", "n2"} <= set(await answer(two.holders()))

"""Several topics of one log after a session was lost: what the log keeps is told missing to none of them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import hubbub
from hubbub.testing.loop import virtual
from hubbub.testing.world import World
from tests.client.fake import FakeHub, Json, client_of, contents, error, lose
from tests.waiting import until

TEXT = {"type": "text", "timestamp": 1, "sender": "bob", "channel": "topic:a.c"}


def text(offset: int) -> Json:
    id = f"00000000-0000-4000-9000-{offset:012}"
    return {**TEXT, "messageId": id, "offset": offset, "payload": {"content": str(offset)}}


class Overtaken:
    """A hub that reads the log on for the first topic, up to 8, before it hears of the second."""

    def __init__(self, kept: range = range(0), history: Any = None) -> None:
        self.hub = FakeHub()
        self.kept = kept
        self.is_complete = True
        self.asked: list[Json] = []
        self._history = history

    def lose(self) -> None:
        self.hub.is_lost = True
        offsets = iter((5, 8))
        self.hub.answers["subscribe"] = lambda *_: {
            "type": "ack",
            "payload": {"epoch": "e1", "offset": next(offsets), "recovered": True},
        }
        self.hub.answers["history"] = self._history or self._answer

    def _answer(self, socket: Any, message: Json) -> Json:
        query = message["payload"]
        self.asked.append(query)
        inside = [offset for offset in self.kept if query["after"] < offset < query["before"]]
        limit = query.get("limit", 2)
        is_all = len(inside) <= limit and self.is_complete
        # What is no longer kept lies at the beginning.
        covered = not self.kept or self.is_complete or query["after"] >= self.kept[0] - 1
        found = inside[:limit]
        return {
            "type": "history",
            "channel": "topic:a.c",
            "messages": [text(offset) for offset in found],
            "payload": {"epoch": "e1", "complete": is_all or (covered and len(inside) <= limit)},
        }


async def overtaken(world: Overtaken, client: hubbub.Client) -> None:
    world.hub.deliver("topic:a.b", 5)
    await asyncio.sleep(1)
    world.lose()
    await lose(world.hub, client)


@virtual
async def test_what_one_missed_comes_by_history_before_anything_newer() -> None:
    world = Overtaken(kept=range(6, 10))
    async with (
        client_of(world.hub) as client,
        client.subscribe("topic:a.b") as first,
        client.subscribe("topic:a.c") as second,
    ):
        await overtaken(world, client)
        world.hub.deliver("topic:a.c", 9)
        world.hub.deliver("topic:a.b", 10)
        assert await contents(first, 2) == ["5", "10"]
        assert await contents(second, 4) == ["6", "7", "8", "9"]
        await until(lambda: not client._parts.detours._under_way)
        world.hub.deliver("topic:a.c", 11)
        assert await contents(second, 1) == ["11"]
        assert len(first) == len(second) == 0


@virtual
async def test_what_the_log_has_lost_is_told_with_its_range() -> None:
    world = Overtaken(kept=range(8, 10))
    world.is_complete = False
    async with (
        client_of(world.hub) as client,
        client.subscribe("topic:a.b") as first,
        client.subscribe("topic:a.c") as second,
    ):
        await overtaken(world, client)
        with pytest.raises(hubbub.MessagesMissed) as raised:
            await anext(second)
        assert (raised.value.first, raised.value.last) == (6, 7)
        assert await contents(second, 1) == ["8"]
        assert await contents(first, 1) == ["5"]


@virtual
async def test_without_a_history_all_of_it_is_missing() -> None:
    world = Overtaken(history=lambda *_: error("forbidden"))
    async with (
        client_of(world.hub) as client,
        client.subscribe("topic:a.b"),
        client.subscribe("topic:a.c") as second,
    ):
        await overtaken(world, client)
        with pytest.raises(hubbub.MessagesMissed) as raised:
            await anext(second)
        assert (raised.value.first, raised.value.last) == (6, 8)
        world.hub.deliver("topic:a.c", 9)
        assert await contents(second, 1) == ["9"]


@virtual
async def test_a_client_that_ends_meanwhile_says_what_did_not_come() -> None:
    world = Overtaken(history=lambda *_: None)
    async with client_of(world.hub) as client, client.subscribe("topic:a.b"):
        second = client.subscribe("topic:a.c")
        await second.begin()
        await overtaken(world, client)
        await client.close()
        with pytest.raises(hubbub.MessagesMissed):
            await anext(second)
        with pytest.raises(hubbub.ConnectionClosed):
            await anext(second)


@virtual
async def test_nothing_is_acknowledged_that_is_still_on_its_way() -> None:
    world = Overtaken(history=lambda *_: None)
    async with (
        client_of(world.hub) as client,
        client.subscribe("topic:a.b", ack=True) as first,
        client.subscribe("topic:a.c", ack=True) as second,
    ):
        await overtaken(world, client)
        world.hub.deliver("topic:a.b", 9)
        assert await contents(first, 2) == ["5", "9"]
        reading = asyncio.create_task(anext(first))
        await asyncio.sleep(1)
        assert [ack["offset"] for ack in world.hub.socket.heard if ack["type"] == "ack"] in ([], [5])
        reading.cancel()
        del second


@virtual
async def test_against_a_real_hub_that_is_slow_to_let_it_in() -> None:
    def make(**given: Any) -> hubbub.Hubbub:
        app = hubbub.Hubbub(anonymous=True, retention_messages=5000, **given)

        @app.authorize
        async def authorize(user: hubbub.User, action: str, channel: str) -> bool | None:
            # The log is read on for one topic while the next one waits for this.
            await asyncio.sleep(1.0 if channel == "topic:a.z" else 0.0)
            return None

        return app

    world = World()
    app = await world.start(make)
    ann = await world.connect("ann")
    async with ann.subscribe("topic:a.x") as first, ann.subscribe("topic:a.z") as second:
        (session,) = app.hub.groups.by_key.values()
        world.cut("ann")
        await asyncio.sleep(0)
        app.hub.sessions.end(session)
        for number in range(700):
            await app.publish("topic:a.x", f"x{number}")
            await app.publish("topic:a.z", f"z{number}")
        await until(lambda: ann.state.phase == "connected")
        assert not ann.state.resumed
        publishing = asyncio.create_task(app.publish("topic:a.z", "live"))
        assert await contents(first, 700) == [f"x{number}" for number in range(700)]
        assert await contents(second, 701) == [*(f"z{number}" for number in range(700)), "live"]
        await publishing
    await ann.close()

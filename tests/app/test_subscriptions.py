"""The application reads a channel: on from the head, told what is missing, and then on again."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import hubbub
from hubbub import MessagesMissed
from hubbub.backends.memory.log import MemoryLog
from hubbub.errors import BadMessage
from hubbub.testing.loop import virtual


async def publish(app: hubbub.Hubbub, topic: str, *contents: str) -> None:
    for content in contents:
        await app.publish(topic, content)


async def contents(reading: Any, count: int) -> list[str]:
    return [(await anext(reading)).payload.content for _ in range(count)]


async def start(**given: Any) -> hubbub.Hubbub:
    app = hubbub.Hubbub(anonymous=True, **given)
    await app.start(listen=False)
    return app


@virtual
async def test_what_matches_comes_in_order_from_the_first_iteration_on() -> None:
    app = await start()
    await publish(app, "topic:a.b", "before")
    async with app.subscribe("topic:a.**") as reading:
        await publish(app, "topic:a.b", "1")
        await publish(app, "topic:a.c.d", "2")
        assert await contents(reading, 2) == ["1", "2"]
        waiting = asyncio.ensure_future(anext(reading))
        await publish(app, "topic:a.b", "3")
        assert (await waiting).payload.content == "3"
    assert app.hub.feeds._feeds == {}
    await app.stop()


@virtual
async def test_iterating_on_after_a_loss_goes_on_with_the_oldest_that_is_kept() -> None:
    app = await start(retention_messages=3)
    async with app.subscribe("topic:a.b") as reading:
        await publish(app, "topic:a.b", *"123456")
        with pytest.raises(MessagesMissed) as raised:
            await anext(reading)
        assert (raised.value.first, raised.value.last, raised.value.reason) == (1, 3, "retention")
        assert await contents(reading, 3) == ["4", "5", "6"]
        await publish(app, "topic:a.b", "7")
        assert await contents(reading, 1) == ["7"]
    await app.stop()


@virtual
async def test_a_log_that_was_begun_anew_is_told_and_read_from_its_start() -> None:
    app = await start(log=MemoryLog(memory=20_000))
    async with app.subscribe("topic:a.b") as reading:
        await publish(app, "topic:a.b", "1", "2", "3")
        assert await contents(reading, 3) == ["1", "2", "3"]
        await publish(app, "topic:noise", *map(str, range(200)))
        await publish(app, "topic:a.b", "x", "y")
        with pytest.raises(MessagesMissed) as raised:
            await anext(reading)
        assert raised.value.reason == "epoch"
        assert await contents(reading, 2) == ["x", "y"]
    await app.stop()


@virtual
async def test_an_iteration_that_was_left_listens_no_more() -> None:
    app = await start()
    async with app.subscribe("topic:a.b"):
        reading = app.subscribe("topic:a.b")
        waiting = asyncio.ensure_future(anext(reading))
        await asyncio.sleep(1)
        await publish(app, "topic:a.b", "1")
        assert (await waiting).payload.content == "1"
        feed = app.hub.feeds._feeds["topic:a"]
        assert len(feed.listeners or ()) == 2
        del reading, waiting
        await asyncio.sleep(0)
        assert len(feed.listeners or ()) == 1
    assert app.hub.feeds._feeds == {}
    await app.stop()


@virtual
async def test_a_channel_of_no_kind_is_refused() -> None:
    app = await start()
    with pytest.raises(BadMessage):
        app.subscribe("nonsense")
    await app.stop()

"""Listeners in this process, where a log answers late, or cannot be had for a while."""

from __future__ import annotations

import asyncio
from typing import Any

from hubbub.backends.memory.log import MemoryLog
from hubbub.node.journal import LogJournal
from hubbub.protocol.payloads import Position
from hubbub.testing.loop import virtual
from tests.hub.world import World


class HeldHeads(MemoryLog):
    """Heads are answered when the test says so, or not at all."""

    def __init__(self) -> None:
        super().__init__()
        self.held: list[asyncio.Future[Position]] = []
        self.is_holding = True

    def head(self, log: str) -> Any:
        if not self.is_holding:
            return super().head(log)
        self.held.append(asyncio.get_running_loop().create_future())
        return self.held[-1]


def late_world() -> tuple[World, HeldHeads]:
    world, store = World(), HeldHeads()
    world.hub.journal = LogJournal(world.hub, store)
    return world, store


async def some_turns(world: World) -> None:
    for _ in range(5):
        await asyncio.sleep(0)
        world.settle()


@virtual
async def test_a_log_that_cannot_be_had_is_asked_for_again_with_the_next_sweep() -> None:
    world, store = late_world()
    heard: list[str] = []
    stop = world.hub.listen("topic:a.*", lambda message: heard.append(message.payload.content))
    world.hub.sweep()
    # Asked once: a sweep while the answer is under way asks for nothing more.
    assert len(store.held) == 1
    store.held[0].set_exception(OSError("no disk"))
    await some_turns(world)
    store.is_holding = False
    world.hub.sweep()
    ann = world.connect("ann")
    ann.text("topic:a.b", "1")
    assert heard == ["1"]
    stop()
    ann.text("topic:a.b", "2")
    assert heard == ["1"]
    assert world.hub.feeds._feeds.keys() == {"all"}


@virtual
async def test_one_that_is_stopped_before_the_answer_leaves_nothing() -> None:
    world, store = late_world()
    heard: list[Any] = []
    stop = world.hub.listen("topic:a.b", heard.append)
    stop()
    store.held[0].set_result(Position("e", 0))
    store.is_holding = False
    await some_turns(world)
    ann = world.connect("ann")
    ann.text("topic:a.b", "1")
    assert heard == []
    assert world.hub.feeds._feeds.keys() == {"all"}
    world.hub.sweep()
    assert world.hub.feeds._feeds.keys() == {"all"}
    stop()


@virtual
async def test_one_of_two_that_wait_for_the_same_answer_may_stop() -> None:
    world, store = late_world()
    heard: list[str] = []
    stop_first = world.hub.listen("topic:a.b", lambda message: heard.append("first"))
    world.hub.listen("topic:a.b", lambda message: heard.append("second"))
    stop_first()
    assert len(store.held) == 1
    store.held[0].set_result(Position("e", 0))
    store.is_holding = False
    await some_turns(world)
    world.connect("ann").text("topic:a.b", "1")
    assert heard == ["second"]

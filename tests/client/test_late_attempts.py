"""An attempt that the client gave up, and that reaches the server all the same."""

from __future__ import annotations

import asyncio

import hubbub
from hubbub.testing.loop import virtual
from hubbub.testing.world import World
from tests.waiting import until


@virtual
async def test_an_attempt_that_arrives_late_does_not_end_the_client() -> None:
    world = World(delay=0.2)
    # Otherwise the server may give up first: it waits as long as the client does.
    await world.start(lambda **given: hubbub.Hubbub(anonymous=True, hello_timeout=30.0, **given))
    ann = await world.connect("ann", connect_timeout=10.0, initial_delay=0.02)
    async with ann.subscribe("topic:a.b") as heard:
        states: list[hubbub.ConnectionState] = []
        ann.on("state", states.append)
        world.cut("ann")
        (known,) = world.network.links
        await until(lambda: len(world.network.alive()) == 1 and world.network.links[0] is not known)
        late = world.network.links[0]
        # The client waits for 10 s, then tries again, and only then what it said first arrives.
        late.freeze(10.5)
        await until(lambda: ann.state.phase == "connected")
        assert not late.server.is_closed
        await until(lambda: late.is_over)
        await asyncio.sleep(60)
        assert ann.state.phase == "connected"
        assert [state.phase for state in states].count("connected") == 1
        await world.app.publish("topic:a.b", "still here")
        assert (await anext(heard)).payload.content == "still here"
    await ann.close()


@virtual
async def test_attempts_are_numbered_upwards_also_when_the_clock_goes_back() -> None:
    world = World()
    await world.start()
    ann = await world.connect("ann")
    numbers: list[int] = []
    for shift in (0.0, -3600.0, 7200.0):
        world.wall_shift = shift
        world.cut("ann")
        await until(lambda: ann.state.phase != "connected")
        await until(lambda: ann.state.phase == "connected")
        assert ann.state.resumed
        (session,) = world.app.hub.groups.by_key.values()
        numbers.append(session.attempt)
    assert numbers == sorted(set(numbers))
    await ann.close()

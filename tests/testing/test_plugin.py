"""The fixtures as a user's tests use them."""

import asyncio
import time
from importlib.metadata import entry_points
from typing import Any

import pytest

import hubbub
from hubbub.testing.loop import virtual
from hubbub.testing.world import World

pytest_plugins = ["pytester"]

PLUGIN = "hubbub.testing.plugin"

EXAMPLE = """
import hubbub
from hubbub.testing.loop import virtual


def make_app(**given):
    return hubbub.Hubbub(anonymous=True, **given)


@virtual
async def test_nobody_misses_a_word(hubbub_world):
    await hubbub_world.start(make_app)
    ann, bob = await hubbub_world.connect("ann"), await hubbub_world.connect("bob")
    async with bob.subscribe("topic:news") as news:
        hubbub_world.swallow("bob")
        await ann.publish("topic:news", "hello")
        assert (await anext(news)).payload.content == "hello"


def test_time(virtual_loop):
    import asyncio
    before = virtual_loop.time()
    virtual_loop.run_until_complete(asyncio.sleep(3600))
    assert virtual_loop.time() == before + 3600
"""


@pytest.mark.parametrize(
    "options",
    [["-o", "asyncio_default_fixture_loop_scope=function"], ["-p", "no:asyncio"]],
    ids=["beside pytest-asyncio", "alone"],
)
def test_the_example(pytester: pytest.Pytester, options: list[str]) -> None:
    pytester.makepyfile(EXAMPLE)
    # Where the entry point of pyproject.toml is installed, pytest has it already.
    is_known = any(point.value == PLUGIN for point in entry_points(group="pytest11"))
    named = [] if is_known else ["-p", PLUGIN]
    pytester.runpytest_inprocess("-W", "error", *named, *options).assert_outcomes(passed=2)


@virtual
async def test_a_crash_without_a_disk_is_told() -> None:
    world = World()
    await world.start()
    ann = await world.connect("ann")
    async with ann.subscribe("topic:a.x") as heard:
        await ann.publish("topic:a.x", "one")
        assert (await anext(heard)).payload.content == "one"
        await world.crash(downtime=5.0)
        await ann.publish("topic:a.x", "two")
        with pytest.raises(hubbub.MessagesMissed):
            await anext(heard)
        assert (await anext(heard)).payload.content == "two"


@virtual
async def test_a_crash_with_a_disk_loses_nothing() -> None:
    world = World()
    await world.start(survives=True)
    ann, bob = await world.connect("ann"), await world.connect("bob", codec="protobuf")
    async with bob.subscribe("topic:a.x", ack=True) as heard:
        await ann.publish("topic:a.x", "one")
        world.stall("bob", 60.0)
        await ann.publish("topic:a.x", "two")
        await world.crash(downtime=5.0)
        await ann.publish("topic:a.x", "three")
        assert [(await anext(heard)).payload.content for _ in range(3)] == ["one", "two", "three"]


@virtual
async def test_restart_cut_slow_and_refused() -> None:
    world = World(delay=0.05)
    first = await world.start(survives=True)
    ann = await world.connect("ann")
    states: list[Any] = []
    ann.on("state", states.append)
    second = await world.restart(downtime=2.0)
    assert second is not first
    await ann.publish("topic:a.x", "one")
    assert states[0].reason.code == 1001
    world.refuse(20.0)
    world.cut("ann")
    loop = asyncio.get_running_loop()
    before = loop.time()
    await ann.publish("topic:a.x", "two")
    assert loop.time() - before > 19.0
    world.slow_down("ann", 1.0)
    assert await ann.ping() > 0.9


@virtual
async def test_the_wall_clock_jumps_and_timers_do_not() -> None:
    real = time.monotonic()
    world = World()
    app = await world.start()
    before = app.hub.wall_ms()
    world.wall_shift = 3600.0
    assert app.hub.wall_ms() - before == 3_600_000
    ann = await world.connect("ann")
    await asyncio.sleep(600)
    assert ann.state.phase == "connected"
    assert time.monotonic() - real < 5


def test_a_name_that_never_connected() -> None:
    with pytest.raises(KeyError):
        World().cut("nobody")

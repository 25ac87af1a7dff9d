"""Fixtures for the tests of applications on Hubbub; pytest finds them by itself where Hubbub is installed.

from hubbub.testing.loop import virtual

@virtual
async def test_nobody_misses_a_word(hubbub_world):
    await hubbub_world.start(make_app)       # def make_app(**given): app = Hubbub(anonymous=True, **given); ...
    ann, bob = await hubbub_world.connect("ann"), await hubbub_world.connect("bob")
    async with bob.subscribe("topic:news") as news:
        hubbub_world.swallow("bob")          # half open: nobody notices until timeouts do
        await ann.publish("topic:news", "hello")
        assert (await anext(news)).payload.content == "hello"
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hubbub.testing.loop import VirtualLoop
from hubbub.testing.world import World


@pytest.fixture
def hubbub_world() -> World:
    """A hub, clients and the network between them, on the virtual time of a test that is `virtual`."""
    return World()


@pytest.fixture
def virtual_loop() -> Iterator[VirtualLoop]:
    """A loop whose time jumps: for tests that run their coroutines themselves, by `run_until_complete`."""
    loop = VirtualLoop()
    yield loop
    loop.close()

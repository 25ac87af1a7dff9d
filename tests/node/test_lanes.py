"""What has an order is done in it."""

import asyncio
import logging

import pytest

from hubbub.node.lanes import Lanes
from hubbub.testing.loop import virtual


@virtual
async def test_a_lane_is_done_in_order_and_lanes_beside_each_other() -> None:
    lanes, done = Lanes(), list[str]()

    async def work(name: str, seconds: float) -> None:
        await asyncio.sleep(seconds)
        done.append(name)

    lanes.add("den", "ann", work("ann first", 5))
    lanes.add("den", "ann", work("ann second", 1))
    lanes.add("den", "bob", work("bob", 2))
    lanes.start(work("alone", 1))
    assert not lanes.is_free("den", "ann")
    assert lanes.is_free("den", "cy")
    await lanes.settle()
    assert done == ["alone", "bob", "ann first", "ann second"]
    assert lanes.is_free("den", "ann")


@virtual
async def test_what_fails_is_logged_and_holds_nothing_up(caplog: pytest.LogCaptureFixture) -> None:
    lanes, done = Lanes(), list[str]()

    async def fail() -> None:
        raise ValueError("no")

    async def work() -> None:
        done.append("work")

    with caplog.at_level(logging.ERROR, "hubbub.lanes"):
        lanes.add("den", "ann", fail())
        lanes.add("den", "ann", work())
        await lanes.settle()
    assert done == ["work"]
    assert [record.getMessage() for record in caplog.records] == ["what was to be done about den failed"]


@virtual
async def test_what_is_abandoned_is_not_done() -> None:
    lanes, done = Lanes(), list[str]()

    async def work() -> None:
        await asyncio.sleep(1)
        done.append("work")

    lanes.start(work())
    await asyncio.sleep(0)
    lanes.abandon()
    await lanes.settle()
    assert done == []

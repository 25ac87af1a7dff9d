"""The client is asked to go on at another node, and something goes wrong: it stays, or comes back."""

import asyncio

import pytest

from hubbub.client.migration import is_acceptable
from hubbub.testing.loop import virtual
from tests.client.fake import refusing
from tests.client.two import Two
from tests.waiting import until


@virtual
@pytest.mark.parametrize("trouble", ["down", "silent", "refusing", "expired"])
async def test_who_cannot_get_there_stays_and_publishes(trouble: str) -> None:
    two = Two()
    if trouble == "down":
        two.new.is_down = True
    elif trouble == "silent":
        two.new.is_silent = True
    elif trouble == "refusing":
        two.new.answers["restore_session"] = refusing("forbidden", field="payload.ticket")
    else:
        two.new.is_lost = True
    async with two.client() as client:
        before = asyncio.get_running_loop().time()
        two.migrate(delay=1.0, deadline=3.0)
        await asyncio.sleep(0.1)
        await client.publish("topic:a", "still here")
        took = asyncio.get_running_loop().time() - before
        assert took == pytest.approx(4.0 if trouble == "silent" else 1.0, abs=0.1)
        assert two.old.texts() == ["still here"]
        assert client.state.phase == "connected"
        assert not two.new.heard("hello")
        assert all(socket.is_closed for socket in two.new.sockets)


@virtual
async def test_an_answer_after_the_deadline_is_too_late() -> None:
    two = Two()
    async with two.client() as client:
        two.new.answers["restore_session"] = lambda socket, message: None
        two.migrate(deadline=1.0)
        restoring = await two.arrival()
        await asyncio.sleep(2)
        two.new.socket.say(two.new._restored(restoring))
        await asyncio.sleep(1)
        await client.publish("topic:a", "x")
        assert two.old.texts() == ["x"]


@virtual
async def test_the_old_connection_ends_before_the_delay_is_over() -> None:
    two = Two()
    async with two.client() as client:
        two.migrate(delay=60.0)
        await asyncio.sleep(0.1)
        publishing = asyncio.create_task(client.publish("topic:a", "x"))
        before = asyncio.get_running_loop().time()
        two.old.socket.drop()
        await publishing
        assert asyncio.get_running_loop().time() - before < 0.1
        assert two.new.texts() == ["x"]
        assert client.state.resumed


@virtual
async def test_both_connections_are_cut() -> None:
    two = Two()
    async with two.client() as client:
        two.new.answers["restore_session"] = lambda socket, message: None
        two.migrate()
        await two.arrival()
        publishing = asyncio.create_task(client.publish("topic:a", "x"))
        two.old.socket.drop()
        two.new.socket.drop()
        await publishing
        assert two.old.texts() == ["x"]
        assert two.old.heard("restore_session")[-1]["payload"].get("ticket") is None


@virtual
@pytest.mark.parametrize("code", [1000, 4409])
async def test_a_move_that_only_the_server_saw_is_no_end(code: int) -> None:
    two = Two()
    async with two.client() as client:
        two.new.answers["restore_session"] = lambda socket, message: None
        two.migrate(deadline=1.0)
        await asyncio.sleep(2)
        two.old.socket.drop(code)
        await until(lambda: client.state.resumed and client.state.phase == "connected")
        await client.publish("topic:a", "x")


@virtual
async def test_asked_again_it_begins_again() -> None:
    two = Two()
    async with two.client() as client:
        two.new.is_silent = True
        two.migrate(deadline=10.0)
        await asyncio.sleep(3)
        two.new.is_silent = False
        publishing = asyncio.create_task(client.publish("topic:a", "x"))
        two.migrate(deadline=10.0)
        await publishing
        assert two.new.texts() == ["x"]
        assert [socket.is_closed for socket in two.new.sockets] == [True, False]


@virtual
async def test_the_new_connection_is_lost_later_and_either_way_is_tried() -> None:
    two = Two()
    async with two.client() as client:
        two.migrate()
        await until(lambda: client.state.resumed)
        two.new.is_down = True
        two.new.socket.drop()
        await until(lambda: client.state.phase == "connected")
        assert two.urls == ["ws://hub/ws", "ws://new/ws", "ws://new/ws", "ws://hub/ws"]


@pytest.mark.parametrize(
    ("url", "own", "fine"),
    [
        ("ws://b/ws", "ws://a/ws", True),
        ("wss://b/ws", "ws://a/ws", True),
        ("wss://b/ws", "wss://a/ws", True),
        ("ws://b/ws", "wss://a/ws", False),
        ("http://b/ws", "ws://a/ws", False),
        ("", "ws://a/ws", False),
    ],
)
def test_nobody_is_led_away_from_encryption(url: str, own: str, fine: bool) -> None:
    assert is_acceptable(url, own) is fine


@virtual
async def test_a_url_that_is_not_acceptable_changes_nothing() -> None:
    two = Two()
    async with two.client() as client:
        two.migrate(url="ftp://new/ws")
        await asyncio.sleep(1)
        await client.publish("topic:a", "x")
        assert two.old.texts() == ["x"]
        assert two.urls == ["ws://hub/ws"]

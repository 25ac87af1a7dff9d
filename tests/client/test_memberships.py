"""Rooms and topics: how a new session gets back into them, and what the server does by itself."""

import asyncio
from typing import Any

import pytest

import hubbub
from hubbub.testing.loop import virtual
from tests.client.fake import FakeHub, client_of, contents, error, lose
from tests.waiting import until


@virtual
async def test_memberships_that_the_server_lost_are_entered_again() -> None:
    hub = FakeHub()
    async with client_of(hub) as client, client.subscribe("topic:a.b", ack=True) as heard:
        await client.join("room:r")
        hub.deliver("topic:a.b", 5)
        await asyncio.sleep(1)
        hub.restored = {"topic:a": None}
        hub.answers["subscribe"] = lambda *_: {
            "type": "ack",
            "payload": {"epoch": "e1", "offset": 5, "recovered": True},
        }
        hub.acknowledges = False
        publishing = asyncio.create_task(client.publish("room:r", "hi"))
        await asyncio.sleep(1)
        hub.acknowledges = True
        await lose(hub, client)
        assert (await publishing).offset == 1
        assert [m["type"] for m in hub.socket.heard[:3]] == ["restore_session", "subscribe", "text"]
        assert hub.socket.heard[1]["payload"] == {"position": {"epoch": "e1", "offset": 5}, "ack": True}
        hub.deliver("topic:a.b", 5)
        hub.deliver("topic:a.b", 6)
        assert await contents(heard, 2) == ["5", "6"]


@virtual
async def test_what_may_not_be_entered_again_is_over_and_said() -> None:
    hub = FakeHub()
    async with client_of(hub) as client, client.subscribe("room:r") as heard, client.subscribe("topic:a.b") as other:
        errors: list[Any] = []
        gone: list[Any] = []
        client.on("error", errors.append)
        client.on("unsubscribed", gone.append)
        hub.is_lost = True
        hub.answers["join"] = lambda *_: error("room_full")
        await lose(hub, client)
        for _ in range(2):
            with pytest.raises(hubbub.Conflict):
                await anext(heard)
        assert ([e.code for e in errors], [m.channel for m in gone]) == (["room_full"], ["room:r"])
        hub.deliver("topic:a.b", 1)
        assert await contents(other, 1) == ["1"]
        await lose(hub, client)
        assert len(hub.heard("join")) == 2


@virtual
async def test_what_may_be_entered_later_is_tried_again() -> None:
    hub = FakeHub()
    async with client_of(hub) as client, client.subscribe("room:r") as heard:
        hub.is_lost = True
        refusals = iter([error("unavailable", retry_after_ms=2000), error("internal")])
        hub.answers["join"] = lambda socket, message: next(refusals, None) or hub._answer(socket, message)
        hub.acknowledges = True
        publishing = asyncio.create_task(client.publish("topic:z", "hi"))
        await asyncio.sleep(1)
        began = asyncio.get_running_loop().time()
        await lose(hub, client)
        assert asyncio.get_running_loop().time() - began > 3
        hub.deliver("room:r", 1)
        assert await contents(heard, 1) == ["1"]
        await publishing


@virtual
async def test_a_subscription_ended_while_offline_is_ended_at_the_server_later() -> None:
    hub = FakeHub()
    async with client_of(hub) as client:
        heard = client.subscribe("topic:a.b")
        await heard.begin()
        hub.socket.drop()
        await heard.end()
        await until(lambda: client.state.phase == "connected")
        await asyncio.sleep(1)
        assert [m["type"] for m in hub.socket.heard] == ["restore_session", "unsubscribe"]
        assert "topic:a" not in dict(client._parts.positions)


@virtual
async def test_a_room_left_is_not_joined_by_the_next_session() -> None:
    hub = FakeHub()
    async with client_of(hub) as client:
        await client.join("room:r")
        await client.leave("room:r")
        hub.is_lost = True
        await lose(hub, client)
        assert len(hub.heard("join")) == 1
        assert "room:r" not in dict(client._parts.positions)


@virtual
async def test_rooms_that_the_server_put_it_into_are_kept_as_well() -> None:
    hub = FakeHub()
    async with client_of(hub) as client:
        hub.socket.say({"type": "subscribed", "channel": "room:r", "payload": {"epoch": "e1", "offset": 4}})
        hub.socket.say({"type": "subscribed", "channel": "group:g", "payload": {"epoch": "e1", "offset": 4}})
        hub.socket.say({"type": "subscribed", "channel": "room:s", "payload": {"epoch": "e1", "offset": 4}})
        hub.socket.say({"type": "unsubscribed", "channel": "room:s"})
        await asyncio.sleep(1)
        hub.is_lost = True
        await lose(hub, client)
        assert [(m["channel"], m["payload"]["position"]["offset"]) for m in hub.heard("join")] == [("room:r", 4)]

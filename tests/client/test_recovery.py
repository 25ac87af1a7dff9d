"""Sessions that outlive their connections, and what happens when they do not."""

import asyncio
from typing import Any

import pytest

import hubbub
from hubbub.testing.loop import virtual
from tests.client.fake import FakeHub, Json, client_of, contents, error, lose, refusing
from tests.waiting import until

Position = hubbub.Position

DELIVERY = {
    "type": "text",
    "messageId": "00000000-0000-4000-9000-000000000001",
    "timestamp": 1,
    "sender": "bob",
    "channel": "topic:a.b",
    "payload": {"content": "x"},
}


@virtual
async def test_the_session_is_restored_from_what_was_received() -> None:
    hub = FakeHub()
    async with (
        client_of(hub) as client,
        client.subscribe("topic:a.b", ack=True) as first,
        client.subscribe("topic:a.c") as second,
        client.subscribe("room:r") as room,
    ):
        for offset in (1, 2, 3):
            hub.deliver("topic:a.b", offset)
        hub.deliver("topic:a.c", 4)
        hub.deliver("room:r", 9)
        assert await contents(first, 2) == ["1", "2"]
        await asyncio.sleep(1)
        await lose(hub, client)
        assert client.state == hubbub.ConnectionState("connected", resumed=True)
        (restore,) = hub.heard("restore_session")
        assert (restore["sessionId"], restore["connectionId"], restore["version"]) == ("s1", "c1", "1.2")
        # Received is more than processed.
        assert restore["payload"]["positions"] == {
            "all": {"epoch": "e1", "offset": 0},
            "topic:a": {"epoch": "e1", "offset": 4},
            "room:r": {"epoch": "e1", "offset": 9},
        }
        hub.deliver("topic:a.c", 4)
        hub.deliver("topic:a.c", 5)
        hub.deliver("room:r", 10)
        assert await contents(second, 2) == ["4", "5"]
        assert await contents(room, 2) == ["9", "10"]
        assert await contents(first, 1) == ["3"]
        # What had been processed is said over the new connection, too.
        await asyncio.sleep(1)
        assert next(m["offset"] for m in hub.socket.heard if m["type"] == "ack") == 2
        assert len(hub.heard("subscribe")) == 2
        await lose(hub, client)
        assert hub.heard("restore_session")[1]["connectionId"] == "c2"


@virtual
async def test_what_cannot_be_recovered_is_told_in_its_place() -> None:
    hub = FakeHub()
    async with (
        client_of(hub) as client,
        client.subscribe("topic:a.b") as old,
        client.subscribe("topic:n.b") as anew,
        client.subscribe("topic:f.b") as future,
        client.subscribe("topic:o.b") as fine,
    ):
        gaps: list[Any] = []
        client.on("gap", gaps.append)
        for log in "anfo":
            hub.deliver(f"topic:{log}.b", 5)
        hub.restored = {
            "topic:a": {"recovered": False, "epoch": "e1", "offset": 8},
            "topic:n": {"recovered": False, "epoch": "e2", "offset": 2},
            "topic:f": {"recovered": False, "epoch": "e1", "offset": 1},
        }
        await asyncio.sleep(1)
        await lose(hub, client)
        hub.deliver("topic:a.b", 9)
        hub.deliver("topic:n.b", 3)
        hub.deliver("topic:f.b", 2)
        hub.deliver("topic:o.b", 6)
        for subscription, first, last, following in [(old, 6, 8, "9"), (anew, 1, 2, "3"), (future, 2, 1, "2")]:
            assert await contents(subscription, 1) == ["5"]
            with pytest.raises(hubbub.MessagesMissed) as raised:
                await anext(subscription)
            assert (raised.value.first, raised.value.last) == (first, last)
            assert await contents(subscription, 1) == [following]
        assert await contents(fine, 2) == ["5", "6"]
        assert [gap.log for gap in gaps] == ["topic:a", "topic:n", "topic:f"]
        assert dict(client._parts.positions)["topic:n"] == Position("e2", 3)


@virtual
async def test_acks_of_a_log_that_was_begun_anew_are_not_mixed_up() -> None:
    hub = FakeHub()
    async with client_of(hub) as client, client.subscribe("topic:a.b", ack=True) as heard:
        for offset in (50, 51):
            hub.deliver("topic:a.b", offset)
        assert await contents(heard, 1) == ["50"]
        await asyncio.sleep(1)
        hub.restored = {"topic:a": {"recovered": False, "epoch": "e2", "offset": 0}}
        await lose(hub, client)
        hub.deliver("topic:a.b", 1)
        assert await contents(heard, 1) == ["51"]
        await asyncio.sleep(1)
        assert hub.heard("ack") == []
        with pytest.raises(hubbub.MessagesMissed):
            await anext(heard)
        assert await contents(heard, 1) == ["1"]
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await anext(heard)
        assert [(m["epoch"], m["offset"]) for m in hub.heard("ack")] == [("e2", 1)]


@virtual
async def test_what_was_taken_from_the_session_while_it_was_away() -> None:
    hub = FakeHub()
    async with client_of(hub) as client:
        await client.join("room:r")
        await client.join("room:s")
        gone: list[Any] = []
        client.on("unsubscribed", gone.append)
        restored = hub._restored

        def restore(socket: Any, message: Json) -> Json:
            socket.say({"type": "unsubscribed", "channel": "room:r"})
            return restored(message)

        hub.answers["restore_session"] = restore
        hub.restored = {"room:r": None}
        await lose(hub, client)
        assert [message.channel for message in gone] == ["room:r"]
        assert len(hub.heard("join")) == 2


@virtual
async def test_logs_that_the_server_knows_better_are_learnt() -> None:
    hub = FakeHub()
    async with client_of(hub) as client:
        hub.restored = {"room:x": {"recovered": True, "epoch": "e5", "offset": 7}}
        await lose(hub, client)
        hub.restored = {}
        await lose(hub, client)
        assert hub.heard("restore_session")[1]["payload"]["positions"]["room:x"] == {"epoch": "e5", "offset": 7}


@virtual
async def test_a_lost_session_is_begun_anew_with_its_positions() -> None:
    hub = FakeHub()
    async with (
        client_of(hub, profile={"a": 1}) as client,
        client.subscribe("topic:a.b", ack=True) as kept,
        client.subscribe("topic:n.b") as anew,
        client.subscribe("all") as all,
    ):
        await client.join("room:r")
        states: list[hubbub.ConnectionState] = []
        client.on("state", states.append)
        hub.deliver("topic:a.b", 5)
        hub.deliver("topic:n.b", 5)
        hub.deliver("all", 2)
        await asyncio.sleep(1)
        hub.is_lost = True
        hub.offsets["all"] = 4
        hub.offsets["topic:a"] = hub.offsets["room:r"] = 5

        def subscribe(socket: Any, message: Json) -> Json:
            details = {"epoch": "e1", "offset": 5, "recovered": True}
            if message["channel"] == "topic:n.b":
                details = {"epoch": "e2", "offset": 3, "recovered": False}
            return {"type": "ack", "payload": details}

        hub.answers["subscribe"] = subscribe
        await lose(hub, client)
        greeting, hello, *again = hub.socket.heard
        assert (greeting["type"], hello["type"], hello["payload"]) == (
            "restore_session",
            "hello",
            {"user": "ann", "profile": {"a": 1}},
        )
        assert [(m["channel"], m["payload"]) for m in again] == [
            ("topic:a.b", {"position": {"epoch": "e1", "offset": 5}, "ack": True}),
            ("topic:n.b", {"position": {"epoch": "e1", "offset": 5}}),
            ("room:r", {"action": "join", "position": {"epoch": "e1", "offset": 0}}),
        ]
        assert states[-1] == hubbub.ConnectionState("connected", resumed=False)
        hub.deliver("topic:a.b", 5)
        hub.deliver("topic:a.b", 6)
        hub.deliver("topic:n.b", 4)
        hub.deliver("all", 5)
        assert await contents(kept, 2) == ["5", "6"]
        assert await contents(anew, 1) == ["5"]
        with pytest.raises(hubbub.MessagesMissed) as raised:
            await anext(anew)
        assert (raised.value.first, raised.value.last) == (1, 3)
        assert await contents(anew, 1) == ["4"]
        assert await contents(all, 1) == ["2"]
        with pytest.raises(hubbub.MessagesMissed) as raised:
            await anext(all)
        assert (raised.value.first, raised.value.last) == (3, 4)
        assert await contents(all, 1) == ["5"]
        await lose(hub, client)
        assert hub.socket.heard[0]["sessionId"] == "s2"


@virtual
async def test_deliveries_behind_the_answer_are_compared_with_what_it_says() -> None:
    """All in one read of the socket: the answer, and at once what comes after it, in another epoch."""
    hub = FakeHub()
    hub.latency = 0
    async with client_of(hub) as client, client.subscribe("topic:a.b") as heard:
        hub.deliver("topic:a.b", 50)
        await asyncio.sleep(1)
        hub.is_lost = True

        def subscribe(socket: Any, message: Json) -> None:
            ack = {"type": "ack", "messageId": message["messageId"]}
            socket._arrive({**ack, "payload": {"epoch": "e2", "offset": 0, "recovered": False}})
            for offset in (1, 2):
                socket._arrive({**DELIVERY, "offset": offset})

        hub.answers["subscribe"] = subscribe
        await lose(hub, client)
        assert await contents(heard, 1) == ["50"]
        with pytest.raises(hubbub.MessagesMissed):
            await anext(heard)
        assert [(await anext(heard)).offset for _ in range(2)] == [1, 2]


@virtual
async def test_a_connection_that_ends_while_the_session_is_put_in_order() -> None:
    hub = FakeHub()
    async with client_of(hub) as client, client.subscribe("room:r") as heard:
        hub.deliver("room:r", 1)
        await asyncio.sleep(1)
        hub.is_lost = True
        hub.answers["join"] = lambda *_: None
        hub.socket.drop()
        await until(lambda: len(hub.heard("join")) == 2)
        waiting = asyncio.create_task(client.publish("room:r", "hi"))
        await asyncio.sleep(1)
        assert client.state.phase != "connected"
        del hub.answers["join"]
        # This session has nothing but `all`: the room is entered again with the position from before.
        hub.restored = {"room:r": None}
        hub.offsets["room:r"] = 1
        await lose(hub, client)
        join, text = hub.socket.heard[1:]
        assert join["payload"]["position"] == {"epoch": "e1", "offset": 1}
        assert (text["payload"]["content"], (await waiting).offset) == ("hi", 2)
        assert len(heard) == 1


@virtual
async def test_another_error_than_expiry_asks_for_a_new_session_too() -> None:
    hub = FakeHub()
    async with client_of(hub) as client:
        hub.answers["restore_session"] = lambda *_: error("forbidden")
        await lose(hub, client)
        assert (client.state.resumed, hub.session) == (False, 2)


@virtual
async def test_a_restore_that_must_wait_waits() -> None:
    hub = FakeHub()
    async with client_of(hub) as client:
        hub.answers["restore_session"] = refusing("rate_limited", retry_after_ms=50_000)
        hub.socket.drop()
        await until(lambda: client.state.phase == "reconnecting" and client.state.delay >= 50)
        hub.answers.clear()
        await until(lambda: client.state.phase == "connected")
        assert client.state.resumed


@virtual
async def test_positions_that_find_no_room_in_one_message_are_left_out() -> None:
    hub = FakeHub()
    async with client_of(hub) as client:
        for number in range(300):
            await client.join(f"room:{number:03}{'x' * 240}", ack=number < 150)
        await lose(hub, client)
        given = hub.heard("restore_session")[0]["payload"]["positions"]
        # Those that are acknowledged are left out first: the server's own position loses nothing there.
        assert 30 < len(given) < 200
        assert all(int(log[5:8]) >= 150 for log in given if log.startswith("room:"))

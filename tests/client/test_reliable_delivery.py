"""What is delivered reaches the application once, in order, and is acknowledged when it was processed."""

import asyncio
from typing import Any

import pytest

import hubbub
from hubbub.testing.loop import virtual
from tests.client.fake import FakeHub, client_of, error
from tests.waiting import until


def acks(hub: FakeHub) -> list[tuple[str, int]]:
    return [(m["channel"], m["offset"]) for m in hub.heard("ack")]


async def contents(subscription: hubbub.Subscription, count: int) -> list[str]:
    return [(await anext(subscription)).payload.content for _ in range(count)]


@virtual
async def test_what_was_processed_is_acknowledged_within_100_ms() -> None:
    hub = FakeHub()
    async with client_of(hub) as client, client.subscribe("topic:a.b", ack=True) as heard:
        assert hub.heard("subscribe")[0]["payload"] == {"ack": True}
        for offset in (3, 4, 5):
            hub.deliver("topic:a.b", offset)
        await anext(heard)
        await asyncio.sleep(60)
        # It was taken, but not processed: nobody came back for the next.
        assert acks(hub) == []
        began = asyncio.get_running_loop().time()
        await anext(heard)
        await until(lambda: bool(acks(hub)))
        assert asyncio.get_running_loop().time() - began < 0.12
        await anext(heard)
        await asyncio.sleep(0.2)
        assert acks(hub) == [("topic:a", 3), ("topic:a", 4)]
        assert hub.heard("ack")[0]["epoch"] == "e1"
    # Leaving the block without an error is coming back, too.
    assert acks(hub)[-1] == ("topic:a", 5)


@virtual
async def test_64_messages_are_acknowledged_at_once() -> None:
    hub = FakeHub()
    async with client_of(hub) as client, client.subscribe("room:a", ack=True) as heard:
        assert hub.heard("join")[0]["payload"]["ack"] is True
        for offset in range(1, 131):
            hub.deliver("room:a", offset)
        await asyncio.sleep(0.01)
        assert await contents(heard, 130) == [str(offset) for offset in range(1, 131)]
        await asyncio.sleep(0.01)
        assert acks(hub) == [("room:a", 64), ("room:a", 128)]
        await asyncio.sleep(0.2)
        assert acks(hub)[-1] == ("room:a", 129)


@virtual
async def test_an_ack_waits_for_all_subscriptions_that_ask_for_them() -> None:
    hub = FakeHub()
    async with (
        client_of(hub) as client,
        client.subscribe("topic:a.*", ack=True) as all,
        client.subscribe("topic:a.b", ack=True) as some,
        client.subscribe("topic:a.c") as other,
    ):
        hub.deliver("topic:a.c", 1)
        hub.deliver("topic:a.b", 2)
        hub.deliver("topic:a.c", 3)
        await contents(all, 3)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await anext(all)
        assert acks(hub)[-1] == ("topic:a", 1)
        assert len(other) == 2
        await anext(some)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await anext(some)
        assert acks(hub)[-1] == ("topic:a", 3)
        # What nobody who acknowledges wants is processed when it comes.
        await all.end()
        hub.deliver("topic:a.c", 4)
        await asyncio.sleep(1)
        assert acks(hub)[-1] == ("topic:a", 4)


@virtual
async def test_a_join_with_acks_counts_for_all_that_the_room_is_read_by() -> None:
    hub = FakeHub()
    async with client_of(hub) as client:
        await client.join("room:a", ack=True)
        hub.deliver("room:a", 1)
        await asyncio.sleep(1)
        assert acks(hub) == [("room:a", 1)]
        async with client.subscribe("room:a") as heard:
            hub.deliver("room:a", 2)
            await asyncio.sleep(1)
            assert acks(hub) == [("room:a", 1)]
            await anext(heard)
        await asyncio.sleep(1)
        assert acks(hub)[-1] == ("room:a", 2)
        await client.join("room:b")
        with pytest.raises(hubbub.Conflict):
            await client.subscribe("room:b", ack=True).begin()
        for channel in ("all", "user:ann"):
            with pytest.raises(hubbub.BadMessage):
                client.subscribe(channel, ack=True)


@virtual
async def test_repeats_do_not_reach_the_application_and_are_acknowledged_again() -> None:
    hub = FakeHub()
    async with client_of(hub) as client, client.subscribe("topic:a.b", ack=True) as heard:
        for offset in (1, 2, 1, 2, 2, 3):
            hub.deliver("topic:a.b", offset)
        assert await contents(heard, 3) == ["1", "2", "3"]
        await asyncio.sleep(1)
        for offset in (2, 3):
            hub.deliver("topic:a.b", offset)
        await asyncio.sleep(1)
        assert len(heard) == 0
        assert acks(hub) == [("topic:a", 2), ("topic:a", 2)]


@virtual
async def test_a_gap_is_told_in_its_place() -> None:
    hub = FakeHub()
    async with client_of(hub) as client, client.subscribe("topic:a.b", ack=True) as heard:
        gaps: list[Any] = []
        client.on("gap", gaps.append)

        def gap(first: int, last: int) -> None:
            payload = {"epoch": "e1", "from": first, "to": last, "reason": "retention"}
            hub.socket.say({"type": "gap", "channel": "topic:a", "payload": payload})

        hub.deliver("topic:a.b", 1)
        gap(2, 9)
        hub.deliver("topic:a.b", 5)
        hub.deliver("topic:a.b", 10)
        gap(2, 9)
        gap(9, 12)
        assert await contents(heard, 1) == ["1"]
        for expected in [(2, 9), "10", (11, 12)]:
            if isinstance(expected, str):
                assert await contents(heard, 1) == [expected]
                continue
            with pytest.raises(hubbub.MessagesMissed) as raised:
                await anext(heard)
            assert (raised.value.first, raised.value.last, raised.value.log) == (*expected, "topic:a")
        assert [(gap.first, gap.last) for gap in gaps] == [(2, 9), (11, 12)]


@virtual
async def test_positions_move_with_what_the_server_says() -> None:
    hub = FakeHub()
    async with client_of(hub) as client, client.subscribe("topic:a.b"):
        hub.deliver("topic:a.b", 3)
        positions = {"topic:a": {"epoch": "e1", "offset": 70}, "all": {"epoch": "e1", "offset": 4}}
        hub.socket.say({"type": "position", "payload": {"positions": positions}})
        await asyncio.sleep(1)
        hub.socket.drop()
        await until(lambda: client.state.resumed)
        assert hub.heard("restore_session")[0]["payload"]["positions"] == positions


@virtual
async def test_a_callback_is_called_one_after_the_other() -> None:
    hub = FakeHub()
    async with client_of(hub) as client:
        seen: list[str] = []
        missed: list[Any] = []

        async def slow(message: hubbub.Message) -> None:
            seen.append(f"begin {message.payload.content}")
            await asyncio.sleep(10)
            seen.append(f"end {message.payload.content}")
            if message.payload.content == "1":
                raise RuntimeError("this one is broken")

        listener = await client.listen("topic:a.b", slow, ack=True, on_missed=missed.append)
        hub.deliver("topic:a.b", 1)
        payload = {"epoch": "e1", "from": 2, "to": 4, "reason": "retention"}
        hub.socket.say({"type": "gap", "channel": "topic:a", "payload": payload})
        hub.deliver("topic:a.b", 5)
        await asyncio.sleep(5)
        assert acks(hub) == []
        await asyncio.sleep(10)
        assert (acks(hub), len(missed)) == ([("topic:a", 4)], 1)
        await asyncio.sleep(10)
        assert acks(hub)[-1] == ("topic:a", 5)
        assert seen == ["begin 1", "end 1", "begin 5", "end 5"]
        await listener.stop()
        assert [m["channel"] for m in hub.heard("unsubscribe")] == ["topic:a.b"]
        plain: list[Any] = []
        listener = await client.listen("topic:a.b", plain.append)
        hub.deliver("topic:a.b", 6)
        await asyncio.sleep(1)
        assert len(plain) == 1
        await listener.stop()


@virtual
async def test_a_full_queue_stops_the_reading_and_an_awaited_answer_does_not_wait_behind_it() -> None:
    hub = FakeHub()
    async with client_of(hub) as client, client.subscribe("topic:a.b") as heard:
        for offset in range(1, 1001):
            hub.deliver("topic:a.b", offset)
        await asyncio.sleep(1)
        assert hub.socket.is_paused
        assert len(heard) == heard.HIGH
        # A publish is answered behind the messages: they are read, to a bound, and it gets its answer.
        assert (await client.publish("topic:z", "hi")).offset == 1
        assert len(heard) == 1000
        assert hub.socket.is_paused
        assert await contents(heard, 1000 - heard.LOW) == [str(n) for n in range(1, 1001 - heard.LOW)]
        assert not hub.socket.is_paused
        # For an hour nobody reads: nothing is concluded from the silence.
        for offset in range(1001, 2001):
            hub.deliver("topic:a.b", offset)
        await asyncio.sleep(3600)
        assert hub.socket.is_paused
        assert len(hub.sockets) == 1
        assert (await contents(heard, 1000))[-1] == str(1000 + 1000 - heard.LOW)


@virtual
async def test_what_overflows_has_a_bound() -> None:
    hub = FakeHub()
    async with client_of(hub, ack_timeout=1) as client, client.subscribe("topic:a.b") as heard:
        for offset in range(1, 10_001):
            hub.deliver("topic:a.b", offset)
        await asyncio.sleep(1)
        with pytest.raises(hubbub.OutcomeUnknown):
            await client.publish("topic:z", "hi")
        assert len(heard) == 4096
        assert hub.socket.is_paused


@virtual
async def test_groups_inboxes_and_ephemeral_messages() -> None:
    hub = FakeHub()
    async with (
        client_of(hub) as client,
        client.subscribe("all") as all,
        client.subscribe("user:ann") as inbox,
        client.subscribe("room:a", ack=True) as room,
    ):
        hub.socket.say(
            {"type": "subscribed", "channel": "group:vip", "payload": {"epoch": "e1", "offset": 0}},
        )
        hub.deliver("group:vip", 1, "group")
        hub.deliver("all", 2, "all")
        hub.deliver("user:ann", 1, "inbox")
        hub.deliver("room:a", 1, "kept")
        value = {"type": "typing", "messageId": "00000000-0000-4000-9000-000000000009", "timestamp": 1}
        hub.socket.say({**value, "sender": "bob", "channel": "room:a", "payload": {}})
        hub.deliver("room:a", 2, "kept, too")
        assert await contents(all, 2) == ["group", "all"]
        assert await contents(inbox, 1) == ["inbox"]
        assert [(await anext(room)).type for _ in range(3)] == ["text", "typing", "text"]
        await asyncio.sleep(1)
        assert acks(hub) == [("room:a", 1)]


@virtual
async def test_a_subscription_that_the_server_refuses_is_none() -> None:
    hub = FakeHub()
    async with client_of(hub) as client:
        hub.answers["subscribe"] = lambda *_: error("forbidden")
        heard = client.subscribe("topic:a.b", ack=True)
        for _ in range(2):
            with pytest.raises(hubbub.Denied):
                await anext(heard)
        del hub.answers["subscribe"]
        hub.offsets["topic:a"] = 7
        await heard.begin()
        hub.deliver("topic:a.b", 8)
        assert await contents(heard, 1) == ["8"]
        await heard.end()
        await heard.end()
        with pytest.raises(StopAsyncIteration):
            await anext(heard)


@virtual
async def test_a_position_to_begin_at() -> None:
    hub = FakeHub()
    hub.answers["subscribe"] = lambda *_: {
        "type": "ack",
        "payload": {"epoch": "e2", "offset": 6, "recovered": False},
    }
    async with (
        client_of(hub) as client,
        client.subscribe("topic:a.b", position=hubbub.Position("e1", 3)) as heard,
    ):
        assert hub.heard("subscribe")[0]["payload"] == {"position": {"epoch": "e1", "offset": 3}}
        hub.deliver("topic:a.b", 7)
        with pytest.raises(hubbub.MessagesMissed) as raised:
            await anext(heard)
        assert (raised.value.first, raised.value.last) == (1, 6)
        assert await contents(heard, 1) == ["7"]

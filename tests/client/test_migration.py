"""The client goes on at another node: it is there before it leaves, and no message is hurt by it."""

import asyncio
from typing import Any

import pytest

import hubbub
from hubbub.testing.loop import virtual
from tests.client.fake import error
from tests.client.two import Two
from tests.waiting import until


@virtual
async def test_the_new_node_has_the_session_before_the_old_one_lets_go() -> None:
    two = Two()
    async with two.client() as client:
        subscription = client.subscribe("room:den")
        await subscription.begin()
        two.old.deliver("room:den", 1)
        assert (await anext(subscription)).offset == 1
        two.migrate()
        hello = await two.arrival()
        assert hello["payload"]["ticket"] == "t1"
        assert hello["payload"]["positions"]["room:den"] == {"epoch": "e1", "offset": 1}
        await until(lambda: client.state.resumed)
        assert not two.old.socket.is_closed
        two.old.socket.drop(1000)
        await asyncio.sleep(1)
        assert (client.state.phase, client.state.resumed) == ("connected", True)
        two.new.deliver("room:den", 2)
        assert (await anext(subscription)).offset == 2
        assert two.urls == ["ws://hub/ws", "ws://new/ws"]


@virtual
async def test_nothing_is_published_over_the_old_connection_once_it_is_asked_to_go() -> None:
    two = Two()
    async with two.client() as client:
        await client.publish("topic:a", "before")
        two.old.acknowledges = False
        unacknowledged = asyncio.create_task(client.publish("topic:a", "under way"))
        await until(lambda: two.old.texts() == ["before", "under way"])
        two.migrate(delay=0.5)
        await asyncio.sleep(0.1)
        waiting = [asyncio.create_task(client.publish("topic:a", str(number))) for number in range(3)]
        asked = asyncio.create_task(client.history("topic:a"))
        await asyncio.gather(unacknowledged, *waiting, asked)
        assert two.old.texts() == ["before", "under way"]
        assert two.new.texts() == ["under way", "0", "1", "2"]
        assert not two.old.heard("history")


@virtual
async def test_what_comes_over_both_connections_is_told_once_and_in_order() -> None:
    two = Two()
    async with two.client() as client:
        seen, _, restoring = await two.on_its_way(client)
        # Meanwhile the old node goes on delivering.
        for offset in (2, 3, 4):
            two.old.deliver("room:den", offset)
        await until(lambda: seen == [1, 2, 3, 4])
        two.new.socket.say(two.new._restored(restoring))
        for offset in (2, 3, 4, 5):
            two.new.deliver("room:den", offset)
        for offset in (5, 6):
            two.old.deliver("room:den", offset)
        await asyncio.sleep(0.1)
        two.new.deliver("room:den", 6)
        await until(lambda: len(seen) > 5)
        await asyncio.sleep(1)
        assert seen == [1, 2, 3, 4, 5, 6]


@virtual
async def test_the_new_node_hears_of_nothing_that_it_has_not_sent_yet() -> None:
    """It would answer that this was never sent."""
    two = Two()
    async with two.client() as client:
        seen, _, restoring = await two.on_its_way(client, ack=True)
        for offset in (2, 3):
            two.old.deliver("room:den", offset)
        await until(lambda: seen == [1, 2, 3])
        two.new.restored["room:den"] = {"epoch": "e1", "offset": 1, "recovered": True}
        two.new.socket.say(two.new._restored(restoring))

        def acks() -> list[int]:
            return [message["offset"] for message in two.new.heard("ack")]

        await asyncio.sleep(1)
        assert set(acks()) <= {1}
        two.new.deliver("room:den", 2)
        await until(lambda: 2 in acks())
        assert max(acks()) == 2
        two.new.deliver("room:den", 3)
        await until(lambda: 3 in acks())
        two.new.deliver("room:den", 4)
        await until(lambda: 4 in acks())
        assert (acks()[-1], seen) == (4, [1, 2, 3, 4])


@virtual
@pytest.mark.parametrize("epoch", ["e1", "e2"])
async def test_what_only_the_new_node_misses_is_not_missed(epoch: str) -> None:
    """While it was on its way the log dropped what it asked for, and the old node had delivered it before that."""
    two = Two()
    async with two.client() as client:
        seen, missed, restoring = await two.on_its_way(client)
        if epoch == "e2":
            gap = {"epoch": "e2", "from": 1, "to": 1, "reason": "epoch"}
            two.old.socket.say({"type": "gap", "channel": "room:den", "payload": gap})
        for offset in (2, 3, 4, 5):
            two.old.deliver("room:den", offset)
        await until(lambda: seen == [1, 2, 3, 4, 5])
        told = len(missed)
        two.new.restored["room:den"] = {"epoch": epoch, "offset": 3, "recovered": False}
        two.new.socket.say(two.new._restored(restoring))
        for offset in (4, 5, 6):
            two.new.deliver("room:den", offset)
        await until(lambda: len(seen) > 5)
        await asyncio.sleep(1)
        assert seen == [1, 2, 3, 4, 5, 6]
        assert len(missed) == told


@virtual
async def test_what_both_nodes_miss_is_missed() -> None:
    two = Two()
    async with two.client() as client:
        seen, missed, restoring = await two.on_its_way(client)
        two.old.deliver("room:den", 2)
        await until(lambda: seen == [1, 2])
        two.new.restored["room:den"] = {"epoch": "e1", "offset": 7, "recovered": False}
        two.new.socket.say(two.new._restored(restoring))
        two.new.deliver("room:den", 8)
        await until(lambda: seen == [1, 2, 8])
        assert [(one.first, one.last) for one in missed] == [(3, 7)]


@virtual
async def test_presence_of_the_overlap_is_told_once() -> None:
    two = Two()
    async with two.client() as client:
        told: list[Any] = []
        client.on("presence", told.append)
        two.migrate()
        await until(lambda: client.state.resumed)
        event = {"type": "presence", "channel": "room:den", "payload": {"event": "join", "user": "bob", "count": 2}}
        two.new.socket.say(event)
        two.old.socket.say(event)
        await asyncio.sleep(1)
        assert len(told) == 1


@virtual
async def test_a_request_without_an_answer_is_asked_again_there() -> None:
    two = Two()
    async with two.client() as client:
        two.old.answers["join"] = lambda socket, message: None
        joining = asyncio.create_task(client.join("room:den"))
        await until(lambda: bool(two.old.heard("join")))
        two.migrate()
        await joining
        assert len(two.new.heard("join")) == 1


@virtual
async def test_a_request_that_must_not_be_made_twice_is_not_made_there() -> None:
    two = Two()
    async with two.client() as client:
        two.old.answers["kick"] = lambda socket, message: None
        kicking = asyncio.create_task(client.kick("room:den", "bob"))
        await until(lambda: bool(two.old.heard("kick")))
        two.migrate()
        with pytest.raises(hubbub.OutcomeUnknown):
            await kicking
        assert not two.new.heard("kick")


@virtual
async def test_an_error_of_the_old_node_is_not_the_last_word() -> None:
    two = Two()
    async with two.client() as client:
        two.old.acknowledges = False
        publishing = asyncio.create_task(client.publish("topic:a", "x"))
        await until(lambda: two.old.texts() == ["x"])
        id = two.old.heard("text")[0]["messageId"]
        two.new.acknowledges = False
        two.migrate()
        await until(lambda: two.new.texts() == ["x"])
        two.old.socket.say({**error("unavailable"), "messageId": id})
        await asyncio.sleep(0.1)
        assert not publishing.done()
        two.new.socket.say({"type": "ack", "messageId": id, "channel": "topic:a", "offset": 7, "epoch": "e1"})
        assert (await publishing).offset == 7


@virtual
async def test_closing_ends_both_connections() -> None:
    two = Two()
    async with two.client() as client:
        two.migrate()
        await until(lambda: client.state.resumed)
    assert two.old.socket.is_closed
    assert two.new.socket.is_closed

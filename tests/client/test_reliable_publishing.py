"""Nothing that is published is lost in silence, and nothing counts twice."""

import asyncio
from typing import Any

import pytest

import hubbub
from hubbub.testing.loop import virtual
from tests.client.fake import FakeHub, client_of, error, refusing
from tests.waiting import until


def now() -> float:
    return asyncio.get_running_loop().time()


@virtual
async def test_what_is_not_acknowledged_is_sent_again_three_times_with_its_id() -> None:
    hub = FakeHub()
    async with client_of(hub) as client:
        hub.acknowledges = False
        began = now()
        with pytest.raises(hubbub.OutcomeUnknown) as raised:
            await client.publish("topic:a.b", "hi")
        assert now() - began == pytest.approx(20)
        heard = hub.heard("text")
        assert len(heard) == 4
        assert {message["messageId"] for message in heard} == {raised.value.message_id}
        await asyncio.sleep(60)
        assert len(hub.heard("text")) == 4


@virtual
async def test_a_late_acknowledgement_counts() -> None:
    hub = FakeHub()
    async with client_of(hub) as client:
        hub.acknowledges = False
        publishing = asyncio.create_task(client.publish("topic:a.b", "hi"))
        await asyncio.sleep(12)
        hub.acknowledges = True
        assert await publishing == hubbub.Position("e1", 1)
        assert len(hub.heard("text")) == 4


@virtual
async def test_a_thousand_are_pending_and_the_next_is_refused_to_its_caller() -> None:
    hub = FakeHub()
    async with client_of(hub) as client:
        hub.acknowledges = False
        tasks = [asyncio.create_task(client.publish("topic:a.b", str(number))) for number in range(1000)]
        await asyncio.sleep(0)
        with pytest.raises(hubbub.TryLater) as raised:
            await client.publish("topic:a.b", "one more")
        assert (raised.value.code, raised.value.number) == ("too_many_pending", 131)
        assert raised.value.retry_after_ms
        hub.acknowledges = True
        await asyncio.gather(*tasks)
        assert await client.publish("topic:a.b", "one more") == hubbub.Position("e1", 1001)
        assert hub.texts()[:1000] == [str(number) for number in range(1000)]


@virtual
async def test_the_clock_stands_while_disconnected_and_what_is_pending_goes_first_and_in_order() -> None:
    hub = FakeHub()
    async with client_of(hub) as client:
        hub.acknowledges = False
        tasks = [asyncio.create_task(client.publish("topic:a.b", str(number))) for number in range(3)]
        await asyncio.sleep(4)
        ids = [message["messageId"] for message in hub.heard("text")]
        hub.is_down = True
        hub.socket.drop()
        later = [asyncio.create_task(client.publish("topic:a.b", str(number))) for number in range(3, 6)]
        await asyncio.sleep(3600)
        assert not any(task.done() for task in tasks + later)
        hub.is_down, hub.acknowledges = False, True
        await asyncio.gather(*tasks, *later)
        restored = hub.socket.heard
        assert restored[0]["type"] == "restore_session"
        assert [message["messageId"] for message in restored[1:4]] == ids
        contents = [message["payload"]["content"] for message in restored if message["type"] == "text"]
        assert contents == ["0", "1", "2", "3", "4", "5"]
        assert sorted(hub.ids.values()) == [1, 2, 3, 4, 5, 6]


@virtual
async def test_nothing_pending_outlives_twice_its_patience_however_often_the_connection_ends() -> None:
    hub = FakeHub()
    async with client_of(hub, initial_delay=0.001, max_delay=0.001) as client:
        hub.acknowledges = False
        publishing = asyncio.create_task(client.publish("topic:a.b", "hi"))
        began = now()
        while not publishing.done():
            await asyncio.sleep(4)
            hub.socket.drop()
            assert now() - began < 45
        assert isinstance(publishing.exception(), hubbub.OutcomeUnknown)


@virtual
async def test_after_a_lost_session_the_outcome_is_unknown_and_nothing_is_sent_again() -> None:
    hub = FakeHub()
    async with client_of(hub) as client:
        hub.acknowledges = False
        sent = asyncio.create_task(client.publish("topic:a.b", "sent"))
        await asyncio.sleep(1)
        hub.is_down = hub.is_lost = True
        hub.socket.drop()
        waiting = asyncio.create_task(client.publish("topic:a.b", "waiting"))
        await asyncio.sleep(1)
        hub.is_down, hub.acknowledges = False, True
        with pytest.raises(hubbub.OutcomeUnknown):
            await sent
        assert (await waiting).offset == 2
        assert hub.texts() == ["sent", "waiting"]
        assert [m["type"] for m in hub.socket.heard[:2]] == ["restore_session", "hello"]
        assert not client.state.resumed


@virtual
async def test_a_refusal_is_the_callers() -> None:
    hub = FakeHub()
    hub.answers["text"] = refusing("rate_limited", retry_after_ms=1234)
    async with client_of(hub) as client:
        with pytest.raises(hubbub.TryLater) as raised:
            await client.publish("topic:a.b", "hi")
        assert raised.value.retry_after_ms == 1234
        assert len(hub.heard("text")) == 1


@virtual
async def test_a_message_that_is_under_way_is_not_published_again() -> None:
    hub = FakeHub()
    id = "0B0E7E0C-7C5F-4B6E-9E5A-0123456789AB"
    async with client_of(hub) as client:
        hub.acknowledges = False
        first = asyncio.create_task(client.publish("topic:a.b", "hi", message_id=id))
        await asyncio.sleep(0)
        with pytest.raises(hubbub.BadMessage):
            await client.publish("topic:a.b", "hi", message_id=id.lower())
        hub.acknowledges = True
        assert await first == await client.publish("topic:a.b", "hi", message_id=id)


@virtual
async def test_who_is_cancelled_is_not_sent_again() -> None:
    hub = FakeHub()
    async with client_of(hub) as client:
        hub.acknowledges = False
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await client.publish("topic:a.b", "hi")
        await asyncio.sleep(60)
        assert len(hub.heard("text")) == 1
        hub.is_down = True
        hub.socket.drop()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await client.publish("topic:a.b", "never")
        hub.is_down, hub.acknowledges = False, True
        await client.publish("topic:a.b", "next")
        assert hub.texts() == ["hi", "next"]


@virtual
async def test_what_is_too_large_for_the_server_costs_nobody_the_connection() -> None:
    hub = FakeHub()
    catalog = hubbub.Catalog()

    class Blob(hubbub.Text, kw_only=True):
        pad: str = ""

    catalog.register("blob", Blob)
    async with client_of(hub, catalog=catalog) as client:
        with pytest.raises(hubbub.BadMessage) as raised:
            await client.publish("topic:a.b", Blob(content="", pad="x" * 70_000))
        assert raised.value.code == "too_large"
        with pytest.raises(hubbub.BadMessage):
            await client.publish("topic:a.b", "\ud800")
        assert len(hub.sockets) == 1
        assert (await client.publish("topic:a.b", "hi")).offset == 1


@virtual
async def test_an_important_message_tries_at_once() -> None:
    hub = FakeHub()
    async with client_of(hub, initial_delay=1000, max_delay=1000) as client:
        hub.socket.drop()
        await until(lambda: client.state.phase == "reconnecting")
        began = now()
        assert client.state.delay > 10
        await client.publish("topic:a.b", "now", important=True)
        assert now() - began < 1


@virtual
async def test_the_outbox_is_bounded_while_offline() -> None:
    hub = FakeHub()
    hub.is_down = True
    async with client_of(hub, background=True, outbox_limit=5) as client:
        tasks = [asyncio.create_task(client.publish("topic:a.b", str(number))) for number in range(5)]
        await asyncio.sleep(0)
        with pytest.raises(hubbub.TryLater) as raised:
            await client.publish("topic:a.b", "too many")
        assert raised.value.code == "too_many_pending"
        hub.is_down = False
        await asyncio.gather(*tasks)
        assert hub.texts() == ["0", "1", "2", "3", "4"]


@virtual
async def test_the_end_tells_the_sent_from_the_unsent() -> None:
    hub = FakeHub()
    async with client_of(hub) as client:
        hub.acknowledges = False
        sent = asyncio.create_task(client.publish("topic:a.b", "sent"))
        await asyncio.sleep(1)
        hub.is_down = True
        hub.socket.drop()
        unsent = asyncio.create_task(client.publish("topic:a.b", "unsent"))
        await asyncio.sleep(1)
        await client.close()
        with pytest.raises(hubbub.OutcomeUnknown):
            await sent
        with pytest.raises(hubbub.ConnectionClosed):
            await unsent
        with pytest.raises(hubbub.ConnectionClosed):
            await client.publish("topic:a.b", "later")


@virtual
async def test_requests_are_asked_again_where_that_does_no_harm() -> None:
    hub = FakeHub()
    async with client_of(hub) as client:
        hub.answers = dict.fromkeys(["join", "history", "presence", "leave", "kick", "subscribe"], lambda *_: None)
        asking: list[asyncio.Task[Any]] = [
            asyncio.create_task(client.join("room:a")),
            asyncio.create_task(client.history("room:b")),
            asyncio.create_task(client.members("room:b")),
            asyncio.create_task(client.leave("room:c")),
            asyncio.create_task(client.subscribe("topic:a.b").begin()),
        ]
        kicking = asyncio.create_task(client.kick("room:b", "bob"))
        await asyncio.sleep(1)
        hub.answers = {
            "join": lambda *_: error("already_joined"),
            "leave": lambda *_: error("not_joined"),
        }
        hub.restored = {"room:a": {"recovered": True, "epoch": "e9", "offset": 4}}
        hub.socket.drop()
        joined, history, members, *_ = await asyncio.gather(*asking)
        assert (joined.epoch, joined.offset, joined.members) == ("e9", 4, ["ann"])
        assert (history, members) == ([], ["ann"])
        with pytest.raises(hubbub.OutcomeUnknown):
            await kicking
        # Outside of a reconnect a refusal is a refusal.
        with pytest.raises(hubbub.Conflict):
            await client.join("room:a")
        with pytest.raises(hubbub.Conflict):
            await client.leave("room:a")


@virtual
async def test_a_request_that_nobody_answers_has_an_unknown_outcome() -> None:
    hub = FakeHub()
    hub.answers["history"] = lambda *_: None
    async with client_of(hub, patience=3) as client:
        began = now()
        with pytest.raises(hubbub.OutcomeUnknown):
            await client.history("room:a")
        assert now() - began == pytest.approx(3)


@virtual
async def test_requests_wait_for_a_connection() -> None:
    hub = FakeHub()
    hub.is_down = True
    async with client_of(hub, background=True) as client:
        asking = asyncio.create_task(client.history("room:a"))
        await asyncio.sleep(3600)
        assert not asking.done()
        hub.is_down = False
        assert await asking == []


@virtual
async def test_a_small_window_keeps_the_order() -> None:
    hub = FakeHub()
    hub.is_down = True
    async with client_of(hub, background=True, max_pending=2) as client:
        tasks = [asyncio.create_task(client.publish("topic:a.b", str(number))) for number in range(20)]
        await asyncio.sleep(0)
        hub.is_down = False
        await asyncio.gather(*tasks)
        assert hub.texts() == [str(number) for number in range(20)]

"""Coming back: when, how often, and what is said of it."""

import asyncio
import json
import random
from typing import Any

import pytest

import hubbub
from hubbub import ConnectionState
from hubbub.testing.loop import virtual
from tests.client.fake import FakeHub, client_of, error
from tests.waiting import until


def now() -> float:
    return asyncio.get_running_loop().time()


class Greatest(random.Random):
    """Waits as long as it may."""

    def uniform(self, a: float, b: float) -> float:
        assert a == 0
        return b


@virtual
async def test_the_delays_double_from_one_second_to_thirty_and_begin_anew_after_a_welcome() -> None:
    hub = FakeHub()
    hub.latency = 0
    async with client_of(hub, rng=Greatest()) as client:
        states: list[hubbub.ConnectionState] = []
        client.on("state", states.append)
        hub.is_down = True
        hub.socket.drop()
        await asyncio.sleep(200)
        assert [s.delay for s in states if s.phase == "reconnecting"] == [1, 2, 4, 8, 16, 30, 30, 30, 30, 30, 30]
        waits = [later - earlier for earlier, later in zip(hub.dials[1:], hub.dials[2:], strict=False)]
        assert waits == pytest.approx([2, 4, 8, 16, 30, 30, 30, 30, 30])
        hub.is_down = False
        await until(lambda: client.state.phase == "connected")
        states.clear()
        hub.socket.drop()
        await until(lambda: client.state.phase == "connected")
        assert [(s.phase, s.attempt, s.delay, s.resumed) for s in states] == [
            ("disconnected", 0, 0, False),
            ("reconnecting", 1, 1, False),
            ("connecting", 1, 0, False),
            ("connected", 0, 0, True),
        ]
        assert isinstance(states[0].reason, hubbub.ConnectionClosed)


@virtual
async def test_full_jitter() -> None:
    hub = FakeHub()
    hub.latency = 0
    async with client_of(hub, rng=random.Random(3)) as client:
        delays: list[float] = []
        enough = asyncio.Event()

        def note(state: ConnectionState) -> None:
            if state.phase == "reconnecting":
                delays.append(state.delay)
            if len(delays) > 200:
                enough.set()

        client.on("state", note)
        hub.is_down = True
        hub.socket.drop()
        await enough.wait()
        late = delays[6:]
        assert 0 <= min(late) < 2
        assert 28 < max(late) <= 30
        assert 12 < sum(late) / len(late) < 18


@pytest.mark.parametrize("code", [1001, 1006, 1011, 1012, 1013, 4408, 4410, 4429, 1005, 4999])
def test_it_comes_back(code: int) -> None:
    @virtual
    async def run() -> None:
        hub = FakeHub()
        async with client_of(hub) as client:
            hub.socket.drop(code)
            await until(lambda: len(hub.sockets) == 2 and client.state.phase == "connected")
            assert client.state.resumed

    run()


@pytest.mark.parametrize("code", [1000, 1002, 1003, 1007, 1008, 1009, 4401, 4409])
def test_it_does_not_come_back(code: int) -> None:
    @virtual
    async def run() -> None:
        hub = FakeHub()
        async with client_of(hub, token="fixed") as client:
            closed: list[hubbub.ConnectionClosed] = []
            client.on("close", closed.append)
            heard = client.subscribe("topic:a.b")
            await heard.begin()
            hub.deliver("topic:a.b", 1)
            await asyncio.sleep(1)
            hub.socket.drop(code, "because")
            await asyncio.sleep(3600)
            assert len(hub.sockets) == 1
            assert (client.state.phase, [c.code for c in closed]) == ("closed", [code])
            # What came can still be taken, and then it is over.
            assert (await anext(heard)).offset == 1
            for _ in range(2):
                with pytest.raises(hubbub.ConnectionClosed) as raised:
                    await anext(heard)
                assert (raised.value.code, raised.value.reason) == (code, "because")
            for asked in (client.publish("topic:a.b", "x"), client.history("room:a"), client.join("room:a")):
                with pytest.raises(hubbub.ConnectionClosed):
                    await asked
            with pytest.raises(hubbub.ConnectionClosed):
                await client.subscribe("topic:a.c").begin()
            await heard.end()

    run()


@virtual
async def test_too_fast_waits_for_what_the_server_asked() -> None:
    hub = FakeHub()
    async with client_of(hub) as client:
        hub.socket.say(error("rate_limited", retry_after_ms=7000))
        await asyncio.sleep(1)
        hub.socket.drop(4429)
        await until(lambda: client.state.phase == "reconnecting")
        assert client.state.delay >= 7


@virtual
async def test_it_gives_up_when_it_was_told_to() -> None:
    hub = FakeHub()
    hub.latency = 0
    async with client_of(hub, max_reconnect_attempts=3, rng=Greatest()) as client:
        told: list[Any] = []
        client.on("gave_up", told.append)
        heard = client.subscribe("topic:a.b")
        await heard.begin()
        hub.acknowledges = False
        sent = asyncio.create_task(client.publish("topic:a.b", "sent"))
        await asyncio.sleep(1)
        hub.is_down = True
        hub.socket.drop()
        waiting: list[asyncio.Task[Any]] = [
            asyncio.create_task(client.publish("topic:a.b", "waiting")),
            asyncio.create_task(client.history("room:a")),
            asyncio.create_task(anext(heard)),
        ]
        await asyncio.sleep(6.5)
        assert client.state.phase == "reconnecting"
        await asyncio.sleep(1)
        assert client.state.phase == "gave_up"
        assert len(hub.dials) == 4
        assert isinstance(told[0], hubbub.ConnectionClosed)
        for task in waiting:
            with pytest.raises(hubbub.ConnectionClosed):
                await task
        with pytest.raises(hubbub.OutcomeUnknown):
            await sent
        await asyncio.sleep(3600)
        assert len(hub.dials) == 4


@virtual
async def test_the_first_connection_raises() -> None:
    hub = FakeHub()
    hub.is_down = True
    with pytest.raises(OSError, match="nobody is there"):
        async with client_of(hub):
            pass
    hub.is_down = False
    hub.answers["hello"] = lambda *_: error("unauthorized")
    with pytest.raises(hubbub.Denied):
        async with client_of(hub, token=lambda: "x"):
            pass
    hub.answers["hello"] = lambda *_: None
    began = now()
    with pytest.raises(hubbub.ConnectionClosed):
        async with client_of(hub):
            pass
    assert now() - began == pytest.approx(10, abs=0.1)
    hub.answers["hello"] = lambda socket, _: socket.drop(1013, "full")
    with pytest.raises(hubbub.ConnectionClosed) as raised:
        async with client_of(hub):
            pass
    assert raised.value.code == 1013
    await asyncio.sleep(3600)
    assert len(hub.dials) == 4
    assert all(socket.is_closed for socket in hub.sockets)


@virtual
async def test_a_cancelled_first_connection_leaves_nothing() -> None:
    hub = FakeHub()
    hub.answers["hello"] = lambda *_: None
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1):
            async with client_of(hub):
                pass
    assert hub.socket.is_closed
    assert len(asyncio.all_tasks()) == 1


@virtual
async def test_in_the_background_it_goes_on_until_there_is_a_connection() -> None:
    hub = FakeHub()
    hub.is_down = True
    async with client_of(hub, background=True) as client:
        assert client.user == "ann"
        publishing = asyncio.create_task(client.publish("topic:a.b", "hi"))
        heard = client.subscribe("topic:a.b")
        reading = asyncio.create_task(anext(heard))
        await asyncio.sleep(600)
        hub.is_down = False
        await publishing
        await until(lambda: client.state.phase == "connected")
        assert hub.heard("text")[0]["sender"] == "ann"
        hub.deliver("topic:a.b", 7)
        assert (await reading).offset == 7


@virtual
async def test_a_half_open_connection_is_noticed() -> None:
    hub = FakeHub()
    async with client_of(hub) as client:
        await asyncio.sleep(100)
        hub.is_silent = True
        began = now()
        await until(lambda: client.state.phase != "connected")
        assert now() - began <= 25 + 8
        reason = client.state.reason
        assert isinstance(reason, hubbub.ConnectionClosed)
        assert reason.code == 1006
        hub.is_silent = False
        await until(lambda: client.state.phase == "connected")
        assert client.state.resumed


@virtual
async def test_with_traffic_it_is_noticed_sooner() -> None:
    hub = FakeHub()
    async with client_of(hub) as client:
        hub.is_silent = True
        began = now()
        publishing = asyncio.create_task(client.publish("topic:a.b", "hi"))
        await until(lambda: client.state.phase != "connected")
        assert now() - began <= 5 + 8 + 0.1
        hub.is_silent = False
        await publishing


@virtual
async def test_an_idle_connection_is_asked_every_25_seconds() -> None:
    hub = FakeHub()
    async with client_of(hub) as client:
        await asyncio.sleep(1000)
        assert 35 <= len(hub.heard("ping")) <= 42
        assert len(hub.sockets) == 1
        # A server that answers no pings but lives is alive.
        hub.answers["ping"] = lambda *_: None
        for _ in range(100):
            hub.socket.say({"type": "system", "payload": {"content": "x", "level": "info"}})
            await asyncio.sleep(7)
        assert len(hub.sockets) == 1
        assert client.quality == "bad"


@virtual
async def test_the_server_may_ping_too() -> None:
    hub = FakeHub()
    async with client_of(hub):
        hub.socket.say({"type": "ping", "messageId": "00000000-0000-4000-9000-000000000001"})
        await asyncio.sleep(1)
        assert hub.heard("pong")[0]["messageId"] == "00000000-0000-4000-9000-000000000001"


@virtual
async def test_late_frames_of_an_old_connection_are_nobodys() -> None:
    hub = FakeHub()
    async with client_of(hub) as client, client.subscribe("topic:a.b") as heard:
        old = hub.socket
        old.drop()
        await until(lambda: client.state.phase == "connected")
        old._on_message(json.dumps({"type": "welcome", "sessionId": "x", "connectionId": "y", "payload": {}}))
        message = {"type": "text", "messageId": "00000000-0000-4000-9000-000000000001", "timestamp": 1, "sender": "b"}
        old._on_message(json.dumps({**message, "channel": "topic:a.b", "offset": 99, "payload": {"content": "x"}}))
        old._on_closed(hubbub.ConnectionClosed(1000))
        hub.deliver("topic:a.b", 1)
        assert (await anext(heard)).offset == 1
        assert client.state.phase == "connected"


@virtual
async def test_wake_tries_at_once() -> None:
    hub = FakeHub()
    async with client_of(hub, initial_delay=900, max_delay=900) as client:
        client.wake()
        hub.socket.drop()
        await until(lambda: client.state.phase == "reconnecting")
        began = now()
        client.wake()
        await until(lambda: client.state.phase == "connected")
        assert now() - began < 1


@virtual
async def test_a_callback_that_fails_or_is_taken_away() -> None:
    hub = FakeHub()
    async with client_of(hub) as client:
        seen: list[Any] = []

        def broken(_: Any) -> None:
            raise RuntimeError("mine")

        client.on("state", broken)
        remove = client.on("state", seen.append)
        hub.socket.drop()
        await until(lambda: client.state.phase == "connected" and len(hub.sockets) == 2)
        assert len(seen) == 4
        remove()
        remove()
        hub.socket.drop()
        await until(lambda: len(hub.sockets) == 3)
        assert len(seen) == 4
        with pytest.raises(ValueError, match="events are"):
            client.on("nonsense", seen.append)

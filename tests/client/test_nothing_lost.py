"""The client and a real server, with a network between them that fails."""

import asyncio
import random
from typing import Any

import pytest

import hubbub
from tests.client.proxy import Proxy, proxied
from tests.sockets import serving, ws
from tests.waiting import until

FAST: dict[str, Any] = {"initial_delay": 0.02, "max_delay": 0.05}


async def read(subscription: hubbub.Subscription, count: int) -> list[str]:
    async with asyncio.timeout(30):
        return [(await anext(subscription)).payload.content for _ in range(count)]


@pytest.mark.parametrize("codec", ["json", "protobuf"])
@pytest.mark.parametrize("ack", [True, False])
@pytest.mark.parametrize("channel", ["topic:a.b", "room:a"])
async def test_everything_arrives_once_and_in_order_across_cuts(codec: str, ack: bool, channel: str) -> None:
    rng = random.Random(f"{codec}{ack}{channel}")
    async with serving() as app, proxied(app) as near, proxied(app) as far:
        async with (
            hubbub.connect(near.url, user="ann", codec=codec, **FAST) as ann,
            hubbub.connect(far.url, user="bob", codec=codec, **FAST) as bob,
            bob.subscribe(channel, ack=ack) as heard,
        ):
            if channel.startswith("room"):
                await ann.join(channel)
            texts = [f"{number} {'x' * rng.randrange(400)}" for number in range(600)]

            async def publish() -> list[hubbub.Position]:
                found = []
                for begin in range(0, len(texts), 20):
                    # Now the one, now the other is cut, somewhere within what comes next, or at once.
                    proxy = (near, far)[begin // 20 % 2]
                    proxy.cut_after = rng.randrange(3000)
                    found += await asyncio.gather(*(ann.publish(channel, text) for text in texts[begin : begin + 20]))
                    if rng.random() < 0.2:
                        proxy.cut()
                return found

            publishing = asyncio.create_task(publish())
            received = await read(heard, len(texts))
            positions = await publishing
            assert received == texts
            assert len({position.offset for position in positions}) == len(texts)
            assert min(near.connections, far.connections) > 5
            await until(lambda: bob.state.resumed and ann.state.resumed)
            await app.publish(channel, "the end")
            assert await read(heard, 1) == ["the end"]


async def test_a_stalled_network_is_noticed_and_nothing_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hubbub.client.heartbeat.PATIENCE", 0.3)
    monkeypatch.setattr("hubbub.client.heartbeat.INTERVAL", 0.2)
    async with serving() as app, proxied(app) as proxy:
        async with (
            hubbub.connect(proxy.url, user="bob", **FAST) as bob,
            bob.subscribe("topic:a.b") as heard,
        ):
            await app.publish("topic:a.b", "one")
            assert await read(heard, 1) == ["one"]
            proxy.is_stalled = True
            publishing = asyncio.create_task(bob.publish("topic:a.b", "mine"))
            await until(lambda: bob.state.phase != "connected")
            await app.publish("topic:a.b", "two")
            proxy.cut()
            proxy.is_stalled = False
            await publishing
            assert sorted(await read(heard, 2)) == ["mine", "two"]
            assert bob.state.resumed


async def test_a_server_that_forgot_the_session_is_entered_anew() -> None:
    async with serving() as app, proxied(app) as proxy:
        async with (
            hubbub.connect(proxy.url, user="bob", **FAST) as bob,
            bob.subscribe("room:a", ack=True) as heard,
            bob.subscribe("topic:a.*") as topics,
        ):
            await app.publish("room:a", "one")
            await app.publish("topic:a.b", "one")
            assert await read(heard, 1) == await read(topics, 1) == ["one"]
            proxy.is_down = True
            proxy.cut()
            await until(lambda: bob.state.phase == "reconnecting")
            await until(lambda: all(s.connection is None for s in app.hub.sessions._by_digest.values()))
            for session in list(app.hub.sessions._by_digest.values()):
                app.hub.sessions.end(session)
            for channel in ("room:a", "topic:a.b"):
                await app.publish(channel, "two")
            proxy.is_down = False
            await until(lambda: bob.state.phase == "connected")
            assert not bob.state.resumed
            # The log still has what was missed.
            assert await read(heard, 1) == await read(topics, 1) == ["two"]
            assert await bob.members("room:a") == ["bob"]


async def test_another_server_with_empty_logs_is_said_to_have_them() -> None:
    async with serving() as old, serving() as new, proxied(old) as proxy:
        async with (
            hubbub.connect(proxy.url, user="bob", **FAST) as bob,
            bob.subscribe("topic:a.b", ack=True) as heard,
        ):
            for number in range(5):
                await old.publish("topic:a.b", str(number))
            assert await read(heard, 5) == list("01234")
            proxy._target = int(new.url.rpartition(":")[2])
            proxy.cut()
            await until(lambda: bob.state.phase == "connected" and proxy.connections == 2)
            await new.publish("topic:a.b", "new")
            with pytest.raises(hubbub.MessagesMissed):
                await anext(heard)
            assert await read(heard, 1) == ["new"]


async def test_what_retention_took_while_away_is_named() -> None:
    async with serving(retention_messages=10) as app, proxied(app) as proxy:
        async with (
            hubbub.connect(proxy.url, user="bob", **FAST) as bob,
            bob.subscribe("topic:a.b") as heard,
        ):
            await app.publish("topic:a.b", "0")
            assert await read(heard, 1) == ["0"]
            proxy.is_down = True
            proxy.cut()
            for number in range(1, 101):
                await app.publish("topic:a.b", str(number))
            proxy.is_down = False
            with pytest.raises(hubbub.MessagesMissed) as raised:
                await asyncio.wait_for(anext(heard), 10)
            first = raised.value.last + 1
            assert raised.value.first == 2
            assert await read(heard, 102 - first) == [str(number) for number in range(first - 1, 101)]


async def test_the_server_gives_again_what_was_not_acknowledged_and_the_client_drops_it() -> None:
    async with serving(ack_timeout=0.2) as app, hubbub.connect(ws(app), user="bob") as bob:
        async with bob.subscribe("topic:a.b", ack=True) as heard:
            for number in range(5):
                await app.publish("topic:a.b", str(number))
            assert await read(heard, 1) == ["0"]
            reader = next(iter(app.hub.connections.values())).session.readers["topic:a"]  # type: ignore[union-attr]
            await until(lambda: reader.window is not None and reader.window.attempts > 0)
            assert len(heard) == 4
            assert await read(heard, 4) == list("1234")
            waiting = asyncio.create_task(anext(heard))
            await until(lambda: reader.window is not None and not reader.window.pending)
            waiting.cancel()


async def test_a_bot_that_answers_every_message_of_a_flood(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its answers are acknowledged behind messages for which its queue has no room."""
    async with serving(retention_messages=10_000, retention_bytes=64 * 1024 * 1024) as app:
        async with hubbub.connect(ws(app), user="bot", compression=False) as bot:
            async with bot.subscribe("topic:a.b", ack=True) as heard:
                for number in range(2000):
                    await app.publish("topic:a.b", f"{number} {'x' * 1000}")
                async with asyncio.timeout(30):
                    for number in range(2000):
                        message = await anext(heard)
                        assert message.payload.content.startswith(f"{number} ")
                        await bot.publish("topic:answers", "yes")


async def test_two_clients_with_one_session_do_not_fight(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving() as app, proxied(app) as proxy:
        async with hubbub.connect(proxy.url, user="ann", **FAST) as ann, hubbub.connect(proxy.url, user="ann") as twin:
            twin._parts.session.id = ann._parts.session.id
            proxy.cut()
            await until(lambda: sorted((ann.state.phase, twin.state.phase)) == ["closed", "connected"])


def test_a_proxy_counts() -> None:
    assert Proxy(1).connections == 0

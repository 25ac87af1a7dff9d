"""Places, the queue for them, and what is said to those who get none: over real sockets."""

import asyncio

import pytest

import hubbub
from hubbub.config import Settings
from hubbub.server.admission import Admission
from hubbub.server.descriptors import RESERVE, descriptor_limit
from tests.sockets import RawSocket, application, serving, status_of, upgrade, ws
from tests.waiting import until


def door(app: hubbub.Hubbub) -> Admission:
    assert app.server.admission is not None
    return app.server.admission


async def fill(app: hubbub.Hubbub, count: int) -> list[RawSocket]:
    sockets = []
    for number in range(count):
        socket = await upgrade(app.url)
        await socket.hello(f"guest{number}")
        sockets.append(socket)
    return sockets


async def test_a_place_is_handed_on_in_order_when_one_leaves() -> None:
    async with serving(max_connections=2, max_waiting=2, waiting_timeout=30) as app:
        first, second = await fill(app, 2)
        third, fourth = await upgrade(app.url), await upgrade(app.url)
        for socket, user in ((third, "third"), (fourth, "fourth")):
            socket.send({"type": "hello", "version": "1.2", "payload": {"user": user}})
        await until(lambda: door(app).waiting == 2)
        assert (door(app).taken, len(app.hub.connections)) == (2, 2)
        first.close()
        assert (await third.receive())["payload"]["user"] == "third"
        assert (door(app).taken, door(app).waiting) == (2, 1)
        second.close()
        assert (await fourth.receive())["payload"]["user"] == "fourth"
        # Whoever waited is like everyone else.
        assert (await fourth.ask({"type": "ping"}))["type"] == "pong"
        third.close(), fourth.close()
        await until(lambda: door(app).taken == 0)


async def test_what_was_said_while_waiting_is_heard_in_order() -> None:
    async with serving(max_connections=1, max_waiting=1, waiting_timeout=30) as app:
        (first,) = await fill(app, 1)
        waiting = await upgrade(app.url)
        # More than is kept: the rest waits in the socket.
        for number in range(40):
            waiting.send(application("text", "eve", "topic:a.b", {"content": str(number)}))
        await until(lambda: door(app).waiting == 1)
        first.close()
        assert (await waiting.receive())["type"] == "welcome"
        acks = [await waiting.receive() for _ in range(40)]
        assert [ack["offset"] for ack in acks] == list(range(1, 41))
        waiting.close()


async def test_past_the_queue_it_is_503_before_the_upgrade() -> None:
    async with serving(max_connections=1, max_waiting=1, waiting_timeout=7) as app:
        (first,) = await fill(app, 1)
        waiting = await upgrade(app.url)
        refused = await upgrade(app.url)
        assert (refused.status, refused.header("Retry-After")) == (503, "7")
        assert door(app).refused == 1
        # Whoever leaves the queue makes room in it.
        waiting.close()
        await until(lambda: door(app).waiting == 0)
        again = await upgrade(app.url)
        assert again.status == 101
        for socket in (first, refused, again):
            socket.close()


async def test_past_the_timeout_it_is_1013() -> None:
    async with serving(max_connections=1, max_waiting=5, waiting_timeout=0.2) as app:
        (first,) = await fill(app, 1)
        waiting = await upgrade(app.url)
        assert await waiting.closing() == 1013
        assert (door(app).waiting, door(app).refused) == (0, 1)
        # It has no place yet although one leaves now: it was told.
        first.close()
        await until(lambda: door(app).taken == 0)
        waiting.close()


async def test_a_client_comes_back_until_it_gets_a_place() -> None:
    async with serving(max_connections=1, max_waiting=0) as app:
        (first,) = await fill(app, 1)
        options = {"initial_delay": 0.01, "max_delay": 0.02}
        async with hubbub.connect(ws(app), background=True, user="bob", **options) as client:
            await until(lambda: door(app).refused >= 2)
            first.close()
            assert (await asyncio.wait_for(client.publish("topic:a.b", "in"), 10)).offset == 1


async def test_a_stop_tells_those_who_wait() -> None:
    app = hubbub.Hubbub(port=0, anonymous=True, max_connections=1, max_waiting=1, waiting_timeout=30)
    await app.start()
    (first,) = await fill(app, 1)
    waiting = await upgrade(app.url)
    await until(lambda: door(app).waiting == 1)
    stopping = asyncio.create_task(app.stop())
    codes = await asyncio.gather(first.closing(), waiting.closing())
    first.close(), waiting.close()
    await asyncio.wait_for(stopping, 5)
    assert codes == [1001, 1001]


async def test_an_address_has_so_many() -> None:
    async with serving(max_connections_per_address=2) as app:
        first, second = await fill(app, 2)
        refused = await upgrade(app.url)
        assert (refused.status, refused.header("Retry-After")) == (429, "5")
        refused.close()
        first.close()
        await until(lambda: door(app).taken == 1)
        third = await upgrade(app.url)
        assert third.status == 101
        # Nobody trusts this peer, so that it cannot be someone else by saying so.
        assert await status_of(app.url, X_Forwarded_For="198.51.100.1") == 429
        second.close(), third.close()


async def test_behind_a_trusted_proxy_clients_count_by_their_own_address() -> None:
    async with serving(max_connections_per_address=1, trusted_proxies=("127.0.0.0/8",)) as app:
        first = await upgrade(app.url, X_Forwarded_For="198.51.100.1")
        assert first.status == 101
        assert await status_of(app.url, X_Forwarded_For="198.51.100.1") == 429
        assert await status_of(app.url, X_Forwarded_For="203.0.113.5, 198.51.100.1") == 429
        other = await upgrade(app.url, X_Forwarded_For="198.51.100.2")
        assert other.status == 101
        first.close(), other.close()


async def test_a_user_has_so_many() -> None:
    async with serving(max_connections_per_user=2) as app:
        sockets = [await upgrade(app.url) for _ in range(2)]
        for socket in sockets:
            await socket.hello("ann")
        third = await upgrade(app.url)
        answer = await third.ask({"type": "hello", "messageId": "a" * 8, "payload": {"user": "ann"}})
        assert answer["code"] == "invalid_message"
        answer = await third.ask({"type": "hello", "payload": {"user": "ann"}})
        assert (answer["code"], answer["payload"]["retry_after_ms"]) == ("rate_limited", 5000)
        assert await third.closing() == 4429
        bob = await upgrade(app.url)
        await bob.hello("bob")
        sockets[0].close()
        await until(lambda: len(app.hub.connections) == 3)
        third.close()
        await until(lambda: len(app.hub.connections) == 2)
        fourth = await upgrade(app.url)
        await fourth.hello("ann")
        for socket in (*sockets, bob, fourth):
            socket.close()


async def test_a_session_that_comes_back_is_not_counted_twice() -> None:
    async with serving(max_connections_per_user=1) as app:
        first = await upgrade(app.url)
        welcome = await first.hello("ann")
        second = await upgrade(app.url)
        restored = await second.ask({"type": "restore_session", "sessionId": welcome["sessionId"]})
        assert restored["type"] == "session_restored"
        first.close(), second.close()


def test_the_limit_is_what_the_system_allows() -> None:
    assert Admission(Settings(), descriptors=lambda: 1024).limit == 1024 - RESERVE - 100
    assert Admission(Settings(max_waiting=0), descriptors=lambda: 10).limit == 1
    assert Admission(Settings(max_connections=1000), descriptors=lambda: 2000).limit == 1000
    with pytest.raises(hubbub.ConfigurationError, match=r"^max_connections: 1000 connections.*LimitNOFILE"):
        Admission(Settings(max_connections=1000), descriptors=lambda: 1024)


async def test_a_server_that_cannot_have_as_many_does_not_start() -> None:
    app = hubbub.Hubbub(port=0, anonymous=True, max_connections=descriptor_limit() + 1)
    with pytest.raises(hubbub.ConfigurationError, match="max_connections"):
        await app.start()


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"max_connections": 0}, "max_connections"),
        ({"max_waiting": -1}, "max_waiting"),
        ({"waiting_timeout": 0.0}, "waiting_timeout"),
        ({"max_connections_per_address": 0}, "max_connections_per_address"),
        ({"max_connections_per_user": -3}, "max_connections_per_user"),
        ({"trusted_proxies": ("localhost",)}, "trusted_proxies"),
        ({"message_rate": 0.0}, "message_rate"),
        ({"byte_rate": -1.0}, "byte_rate"),
        ({"rate_burst": 0.0}, "rate_burst"),
    ],
)
def test_a_wrong_limit_is_named(settings: dict[str, object], name: str) -> None:
    with pytest.raises(hubbub.ConfigurationError) as raised:
        Settings(**settings)  # type: ignore[arg-type]
    assert raised.value.setting == name


def test_proxies_come_from_a_variable() -> None:
    settings = hubbub.load_settings(None, {"HUBBUB_TRUSTED_PROXIES": "10.0.0.1, 192.168.0.0/16"})
    assert settings.trusted_proxies == ("10.0.0.1", "192.168.0.0/16")

"""What a scrape reads, and where a client is sent."""

import asyncio
import json

import pytest
from prometheus_client.parser import text_string_to_metric_families

import hubbub
from hubbub.ports import NodeRecord
from tests.server.test_restoring import restoring
from tests.sockets import application, get, serving, status_of, upgrade
from tests.waiting import until


async def scrape(app: hubbub.Hubbub) -> dict[str, float]:
    status, kind, body = await get(app.url, "/metrics")
    assert (status, kind) == (200, "text/plain; version=0.0.4; charset=utf-8")
    return {sample.name: sample.value for family in text_string_to_metric_families(body) for sample in family.samples}


async def test_a_scrape_reads_what_happened() -> None:
    async with serving(max_connections=3, max_waiting=0, retention_messages=2, message_rate=50, rate_burst=1) as app:
        ann, bob = await upgrade(app.url), await upgrade(app.url)
        welcome = await ann.hello("ann")
        await bob.hello("bob")
        for socket in (ann, bob):
            await socket.ask({"type": "subscribe", "channel": "topic:a.b"})
        for number in range(3):
            await ann.ask(application("text", "ann", "topic:a.b", {"content": str(number)}))
        before = await scrape(app)
        assert before["hubbub_connections"] == 2
        assert before["hubbub_connections_limit"] == 3
        assert before["hubbub_log_appends_total"] == 3
        assert before["hubbub_log_away"] == 0
        assert before["hubbub_deliveries_total"] == 6
        assert before["hubbub_messages_received_total"] == 7
        assert before["hubbub_received_bytes_total"] > 7 * 20
        assert before["hubbub_sent_bytes_total"] > before["hubbub_received_bytes_total"]
        assert before["hubbub_sessions_resting"] == before["hubbub_gaps_total"] == 0
        assert before["process_cpu_seconds_total"] > 0

        # It misses three messages of which two are kept, and returns.
        ann.writer.transport.abort()
        await until(lambda: app.hub.sessions.resting == 1)
        assert (await scrape(app))["hubbub_sessions_resting"] == 1
        for _ in range(3):
            await app.publish("topic:a.b", "missed")
        again = await upgrade(app.url)
        await again.ask(restoring(welcome))
        carol = await upgrade(app.url)
        assert await status_of(app.url) == 503
        for _ in range(60):
            bob.send({"type": "ping"})
        await until(lambda: app.hub.counts.rate_limited > 0)
        after = await scrape(app)
        assert after["hubbub_sessions_restored_total"] == 1
        assert after["hubbub_gaps_total"] == 1
        assert after["hubbub_connections_refused_total"] == 1
        assert after["hubbub_messages_rate_limited_total"] > 0
        assert after["hubbub_readers_lagging"] == 0
        for socket in (bob, again, carol):
            socket.close()


async def test_a_reader_that_lags_is_seen() -> None:
    async with serving() as app:
        ann = await upgrade(app.url)
        await ann.hello("ann")
        await ann.ask({"type": "subscribe", "channel": "topic:a.b"})
        (connection,) = app.hub.connections.values()
        app.hub.pause(connection)
        await app.publish("topic:a.b", "hi")
        assert (await scrape(app))["hubbub_readers_lagging"] > 0
        ann.close()


async def test_alone_the_node_names_itself_as_it_was_called() -> None:
    async with serving(node="n1") as app:
        status, kind, body = await get(app.url, "/connect")
        assert (status, kind) == (200, "application/json")
        # The test's client calls it by its address alone.
        assert json.loads(body) == {"node": "n1", "url": "ws://127.0.0.1/ws"}


async def test_the_least_loaded_node_is_named() -> None:
    async with serving(node="n1") as app:
        app.server.guide.choose = lambda: NodeRecord("n2", "run", "wss://n2.example/ws", load=1)
        assert json.loads((await get(app.url, "/connect"))[2]) == {"node": "n2", "url": "wss://n2.example/ws"}
        # One that clients cannot reach by itself is of no use to them.
        app.server.guide.choose = lambda: NodeRecord("n2", "run", "", load=1)
        assert json.loads((await get(app.url, "/connect"))[2])["node"] == "n1"


@pytest.mark.parametrize(
    ("host", "forwarded", "url"),
    [
        ("chat.example:8443", "https", "wss://chat.example:8443/ws"),
        ("chat.example", "http", "ws://chat.example/ws"),
        ("[::1]:8000", "", "ws://[::1]:8000/ws"),
        ('evil"/><script>', "", None),
    ],
)
async def test_the_host_is_the_one_the_client_used(host: str, forwarded: str, url: str | None) -> None:
    async with serving() as app:
        reader, writer = await asyncio.open_connection("127.0.0.1", app.server.port)
        writer.write(f"GET /connect HTTP/1.1\r\nHost: {host}\r\nX-Forwarded-Proto: {forwarded}\r\n\r\n".encode())
        async with asyncio.timeout(10):
            body = (await reader.read()).partition(b"\r\n\r\n")[2]
        writer.close()
        assert json.loads(body)["url"] == (url or f"ws://127.0.0.1:{app.server.port}/ws")

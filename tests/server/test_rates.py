"""How fast one connection may send: real conversations, on a clock that the test moves."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import pytest

import hubbub
from hubbub.testing.clock import VirtualClock
from hubbub.testing.transport import RecordingTransport, split_frames


class Peer:
    """One client of an application that does not listen."""

    def __init__(self, app: hubbub.Hubbub) -> None:
        self.app = app
        self.transport = RecordingTransport()
        self.talk = app.server.attach(self.transport)

    def say(self, message: dict[str, Any] | str, size: int | None = None) -> dict[str, Any]:
        """The first answer; `size` is what it counts as on the wire."""
        text = message if isinstance(message, str) else json.dumps(message)
        self.talk.received(text, len(text) if size is None else size)
        self.app.hub.turn()
        answers = split_frames(b"".join(self.transport.writes))
        self.transport.writes.clear()
        return dict(json.loads(answers[0])) if answers else {}

    def ping(self, size: int | None = None) -> dict[str, Any]:
        return self.say({"type": "ping", "messageId": str(uuid4())}, size)


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@asynccontextmanager
async def open_peer(clock: VirtualClock, **settings: Any) -> AsyncIterator[Peer]:
    app = hubbub.Hubbub(hubbub.Settings(anonymous=True, **settings), clock=clock)
    await app.start(listen=False)
    peer = Peer(app)
    peer.say({"type": "hello", "version": "1.2", "payload": {"user": "ann"}})
    yield peer
    # It hangs up first: nobody waits for it to go.
    peer.talk.closed()
    await app.stop()


async def test_who_is_too_fast_is_answered_and_may_go_on_later(clock: VirtualClock) -> None:
    async with open_peer(clock, message_rate=100, rate_burst=2) as peer:
        # The hello was the first of two seconds' worth.
        assert all(peer.ping()["type"] == "pong" for _ in range(199))
        id = str(uuid4())
        refused = peer.say({"type": "ping", "messageId": id})
        assert (refused["code"], refused["payload"]["number"]) == ("rate_limited", 130)
        assert (refused["messageId"], refused["payload"]["retry_after_ms"]) == (id, 10)
        clock.advance(0.025)
        assert peer.ping()["type"] == "pong"
        assert peer.ping()["code"] == "rate_limited"
        assert peer.app.hub.counts.rate_limited == 2
        assert peer.transport.closed is None
        clock.advance(10)
        assert all(peer.ping()["type"] == "pong" for _ in range(200))
        assert peer.ping()["code"] == "rate_limited"


async def test_what_is_refused_is_not_published(clock: VirtualClock) -> None:
    async with open_peer(clock, message_rate=100, rate_burst=1) as peer:
        text = {"type": "text", "timestamp": 1, "sender": "ann", "channel": "topic:a.b", "payload": {"content": "hi"}}
        answers = [peer.say({**text, "messageId": str(uuid4())}) for _ in range(120)]
        assert [answer["type"] for answer in answers] == ["ack"] * 99 + ["error"] * 21
        assert (await peer.app.publish("topic:a.b", "last")).offset == 100


async def test_who_goes_on_and_on_is_closed(clock: VirtualClock) -> None:
    async with open_peer(clock, message_rate=10, rate_burst=10) as peer:
        answers = [peer.ping() for _ in range(99 + 100)]
        assert [answer["type"] for answer in answers] == ["pong"] * 99 + ["error"] * 100
        assert peer.transport.closed is None
        last = peer.ping()
        assert (last["code"], last["payload"]["retry_after_ms"]) == ("rate_limited", 10_100)
        assert peer.transport.closed == (4429, "too fast")
        assert peer.ping() == {}


async def test_what_cannot_be_read_counts_too(clock: VirtualClock) -> None:
    async with open_peer(clock, message_rate=10, rate_burst=1) as peer:
        answers = [peer.say("{") for _ in range(9 + 101)]
        assert [answer["code"] for answer in answers] == ["invalid_json"] * 9 + ["rate_limited"] * 101
        assert peer.transport.closed == (4429, "too fast")


async def test_bytes_count_by_themselves(clock: VirtualClock) -> None:
    async with open_peer(clock, byte_rate=100_000, rate_burst=2) as peer:
        assert all(peer.ping(50_000)["type"] == "pong" for _ in range(3))
        refused = peer.ping(60_000)
        assert (refused["code"], refused["payload"]["retry_after_ms"]) == ("rate_limited", 101)
        clock.advance(1)
        assert peer.ping(50_000)["type"] == "pong"


async def test_the_clock_is_asked_for_a_few_at_a_time(clock: VirtualClock) -> None:
    """What passes unasked is so little that a burst is not exceeded by more."""
    async with open_peer(clock, message_rate=1000, rate_burst=1) as peer:
        clock.advance(100)
        passed = sum(peer.ping()["type"] == "pong" for _ in range(1100))
        assert 936 <= passed <= 1064

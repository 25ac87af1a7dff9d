"""A server that refuses the upgrade says when to come again, and the client does not come sooner."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

import hubbub
from hubbub.client.refusals import LONGEST, refusal_of
from hubbub.testing.loop import virtual
from tests.client.fake import FakeHub, client_of

NOW = 784_111_777.0
"""Sun, 06 Nov 1994 08:49:37 GMT, the date of RFC 9110."""


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("5", 5000),
        (" 0 ", 0),
        ("Sun, 06 Nov 1994 08:49:47 GMT", 10_000),
        ("Sun, 06 Nov 1994 08:49:47 -0000", 10_000),
        ("Sun, 06 Nov 1994 08:00:00 GMT", 0),
        ("86400", LONGEST * 1000),
        ("9" * 4000, LONGEST * 1000),
        ("Fri, 31 Dec 2999 00:00:00 GMT", LONGEST * 1000),
    ],
)
def test_when_to_come_again(text: str, milliseconds: int) -> None:
    refusal = refusal_of(503, {"Retry-After": text}, "ws://x/ws", NOW)
    assert isinstance(refusal, hubbub.TryLater)
    assert (refusal.code, refusal.retry_after_ms) == ("unavailable", milliseconds)


@pytest.mark.parametrize("text", ["", "soon", "-5", "1.5", "٣", "Sun, 99 Nov 1994 08:49:37 GMT"])
def test_what_says_nothing(text: str) -> None:
    assert refusal_of(503, {"Retry-After": text}, "ws://x/ws", NOW) is None
    assert refusal_of(503, {}, "ws://x/ws", NOW) is None


def test_too_many_of_an_address() -> None:
    refusal = refusal_of(429, {"Retry-After": "5"}, "ws://x/ws", NOW)
    assert isinstance(refusal, hubbub.TryLater)
    assert refusal.code == "rate_limited"


@virtual
async def test_nobody_comes_sooner_and_not_all_at_once() -> None:
    waits = []
    for seed in range(20):
        hub = FakeHub()
        hub.latency = 0
        hub.refusal = hubbub.TryLater("unavailable", "full", retry_after_ms=5000)
        async with client_of(hub, rng=random.Random(seed)):
            hub.is_down = True
            hub.socket.drop()
            await asyncio.sleep(60)
        waits += [later - earlier for earlier, later in zip(hub.dials[1:], hub.dials[2:], strict=False)]
    assert min(waits) >= 5
    assert max(waits) > 10, "it comes ever more seldom"
    assert len({round(wait, 3) for wait in waits}) > len(waits) / 2


@asynccontextmanager
async def server(*answers: str) -> AsyncIterator[str]:
    """Gives each answer to one request, the last one to all others; its URL."""
    left = list(answers)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = left.pop(0) if len(left) > 1 else left[0]
        writer.write(f"HTTP/1.1 {head}\r\nContent-Length: 0\r\n\r\n".encode())
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as listening:
        yield f"ws://127.0.0.1:{listening.sockets[0].getsockname()[1]}/ws"


async def test_over_a_socket() -> None:
    async with server("503 Service Unavailable\r\nRetry-After: 7", "429 Too Many Requests\r\nretry-after: 8") as url:
        for expected in (("unavailable", 7000), ("rate_limited", 8000)):
            with pytest.raises(hubbub.TryLater) as raised:
                await hubbub.connect(url, user="ann")
            assert (raised.value.code, raised.value.retry_after_ms) == expected
    async with server("503 Service Unavailable") as url:
        with pytest.raises(hubbub.ConnectionClosed, match="503"):
            await hubbub.connect(url, user="ann")

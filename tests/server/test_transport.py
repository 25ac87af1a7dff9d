"""Frames go out in order, whatever part of them the socket takes."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

from hubbub.server.transport import PicowsTransport

SMALL = 8 * 1024


@asynccontextmanager
async def joined() -> AsyncIterator[tuple[PicowsTransport, asyncio.Transport, socket.socket]]:
    """A transport whose socket takes little at a time, and the peer's end, which is read by hand."""
    own, peer = socket.socketpair()
    for end in (own, peer):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SMALL)
        end.setblocking(False)
    underlying: Any
    underlying, _ = await asyncio.get_running_loop().create_connection(asyncio.Protocol, sock=own)
    try:
        yield PicowsTransport(SimpleNamespace(underlying_transport=underlying)), underlying, peer  # type: ignore[arg-type]
    finally:
        underlying.abort()
        await asyncio.sleep(0)
        peer.close()


def send(transport: PicowsTransport, frames: bytes) -> None:
    """As the hub's outbox does it."""
    sent = transport.send(frames)
    if sent != len(frames):
        transport.write(frames[sent:])


def take(peer: socket.socket, most: int = 1 << 20) -> bytes:
    try:
        return peer.recv(most)
    except BlockingIOError:
        return b""


async def take_all(peer: socket.socket, count: int) -> bytes:
    found = b""
    async with asyncio.timeout(10):
        while len(found) < count:
            found += take(peer)
            await asyncio.sleep(0)
    return found


async def test_what_a_socket_takes_in_part_is_not_overtaken() -> None:
    async with joined() as (transport, underlying, peer):
        first, second, last = b"1" * 100_000, b"2" * 100_000, b"3" * 10
        send(transport, first)
        assert transport.buffered()
        assert await take_all(peer, len(first)) == first
        # The socket has drained: these are taken in part again, and there is room when the next ones come.
        assert not transport.buffered()
        send(transport, second)
        assert transport.buffered()
        found = take(peer)
        send(transport, last)
        found += await take_all(peer, len(second + last) - len(found))
        assert found == second + last
        # And once more straight to the socket.
        assert not underlying.get_write_buffer_size()
        send(transport, b"end")
        assert take(peer) == b"end"


async def test_a_socket_that_takes_nothing_more_raises_and_keeps_the_order() -> None:
    async with joined() as (transport, _, peer):
        sent = b""
        for number in range(200):
            frames = bytes([number]) * 1000
            try:
                taken = transport.send(frames)
            except OSError:
                taken = 0
            if taken != len(frames):
                transport.write(frames[taken:])
            sent += frames
        assert await take_all(peer, len(sent)) == sent

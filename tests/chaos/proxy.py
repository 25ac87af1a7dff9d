"""`python -m tests.chaos.proxy PORT SEED LIFE`: a TCP proxy that cuts connections in all the ways a network can.

It prints its own port. `storm` on its standard input begins the mischief, `calm` ends it; at the end of the input it
prints as JSON how often it did what, and ends.

A connection lives `LIFE` seconds on average; then one of these happens to it, at any byte:

- `reset`: both sides get a RST
- `end`: both sides get a FIN, after what was under way
- `torn`: a message is forwarded in part, then both sides get a RST
- `silent`, `deaf`, `mute`: it stays open, and nothing comes through any more, or nothing from the server, or nothing
  from the client. Who does not notice is reset after at most 15 s.
"""

from __future__ import annotations

import asyncio
import json
import random
import socket
import struct
import sys
from collections import Counter

KINDS = ("reset", "end", "torn", "silent", "deaf", "mute")
HALF_OPEN_SECONDS = 15.0


class Trouble:
    """What happens to connections, and when."""

    def __init__(self, seed: int, life: float) -> None:
        self.random = random.Random(seed)
        self.life = life
        self.is_on = False
        self.done: Counter[str] = Counter()
        self.pairs: set[Pair] = set()

    def begin(self) -> None:
        self.is_on = True
        for pair in list(self.pairs):
            self.plan(pair)

    def plan(self, pair: Pair) -> None:
        if self.is_on:
            asyncio.get_running_loop().call_later(self.random.expovariate(1 / self.life), self._strike, pair)

    def _strike(self, pair: Pair) -> None:
        if self.is_on and pair in self.pairs:
            kind = self.random.choice(KINDS)
            self.done[kind] += 1
            pair.suffer(kind)


class Pair:
    """A client's connection and the one that goes on to the server."""

    def __init__(self, trouble: Trouble) -> None:
        self.trouble = trouble
        self.client = Side(self)
        self.server = Side(self)
        self.client.peer, self.server.peer = self.server, self.client
        trouble.pairs.add(self)

    def suffer(self, kind: str) -> None:
        if kind == "reset":
            self.reset()
        elif kind == "end":
            self.end()
        elif kind == "torn":
            self.trouble.random.choice((self.client, self.server)).is_torn = True
        else:
            self.client.is_lost = kind in ("silent", "mute")
            self.server.is_lost = kind in ("silent", "deaf")
            patience = self.trouble.random.uniform(1, HALF_OPEN_SECONDS)
            asyncio.get_running_loop().call_later(patience, self.reset)

    def end(self) -> None:
        self.trouble.pairs.discard(self)
        self.client.end()
        self.server.end()

    def reset(self) -> None:
        self.trouble.pairs.discard(self)
        self.client.reset()
        self.server.reset()


class Side(asyncio.Protocol):
    """One of the two connections. What comes in goes to its `peer`, unless it `is_lost`."""

    peer: Side

    def __init__(self, pair: Pair) -> None:
        self.pair = pair
        self.transport: asyncio.Transport | None = None
        self.is_lost = False
        self.is_torn = False
        """Whether the next piece goes on in part only."""
        self._early = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        if self not in (self.pair.client, self.pair.server) or self.pair not in self.pair.trouble.pairs:
            self.reset()
        elif self._early:
            transport.write(self._early)
            self._early = b""

    def data_received(self, data: bytes) -> None:
        if self.is_lost:
            return
        if self.is_torn:
            self.peer.write(data[: self.pair.trouble.random.randrange(len(data))])
            # Through the buffers first, or nothing would be torn.
            asyncio.get_running_loop().call_later(0.05, self.pair.reset)
            self.is_lost = True
            return
        self.peer.write(data)

    def write(self, data: bytes) -> None:
        if self.transport is None:
            self._early += data
        elif not self.transport.is_closing():
            self.transport.write(data)

    def connection_lost(self, error: Exception | None) -> None:
        if self.is_lost or self.peer.is_lost:
            # The other side of a line that is dead hears nothing of it.
            return
        if error is None:
            self.pair.end()
        else:
            self.pair.reset()

    def pause_writing(self) -> None:
        if self.peer.transport is not None:
            self.peer.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.peer.transport is not None and not self.peer.transport.is_closing():
            self.peer.transport.resume_reading()

    def end(self) -> None:
        if self.transport is not None:
            self.transport.close()

    def reset(self) -> None:
        if self.transport is None or self.transport.is_closing():
            return
        peer = self.transport.get_extra_info("socket")
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()


async def serve(port: int, seed: int, life: float) -> None:
    """Runs until the standard input ends."""
    loop = asyncio.get_running_loop()
    trouble = Trouble(seed, life)
    dialling: set[asyncio.Task[None]] = set()

    async def dial(pair: Pair) -> None:
        try:
            await loop.create_connection(lambda: pair.server, "127.0.0.1", port)
        except OSError:
            pair.reset()
        else:
            trouble.plan(pair)

    def accept() -> Side:
        pair = Pair(trouble)
        task = loop.create_task(dial(pair))
        dialling.add(task)
        task.add_done_callback(dialling.discard)
        return pair.client

    listening = await loop.create_server(accept, "127.0.0.1", 0, backlog=1024)
    print(listening.sockets[0].getsockname()[1], flush=True)
    commands = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    while command := (await commands.readline()).strip():
        if command == b"storm":
            trouble.begin()
        else:
            trouble.is_on = False
    listening.close()
    for pair in list(trouble.pairs):
        pair.reset()
    print(json.dumps(trouble.done), flush=True)


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])))

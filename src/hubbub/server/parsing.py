"""picows' parser as this server uses it: a peer that closes twice is answered once."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, MutableMapping
from typing import Any

from picows import WSAutoPingStrategy, WSListener, WSUpgradeRequest, WSUpgradeResponseWithListener
from picows.picows import WSProtocol  # type: ignore[attr-defined]

READ_BUFFER = 2048
"""Bytes that a connection's read buffer begins with: ten thousand idle ones stay small."""

UNSENT_LIMIT = 128 * 1024
"""Bytes the kernel takes of a connection beyond what is on its way (`TCP_NOTSENT_LOWAT`).

Without it a peer that stops reading fills megabytes of kernel memory before its position begins to lag.
"""

_CLOSE = 0x88

Upgrade = Callable[[WSUpgradeRequest, str], WSListener | WSUpgradeResponseWithListener | None]
"""Answers a request of the peer with this IP address."""


class FrameParser(WSProtocol):  # type: ignore[misc]
    """Feeds the parser so that nothing behind a close frame is looked at.

    picows parses one frame ahead: a second close frame in the same read would be answered with 1002 before the
    first one was seen (RFC 6455 section 5.5.1 has what follows a close frame ignored).
    """

    __slots__ = ()

    def buffer_updated(self, size: int) -> None:
        # Where the next bytes would go: until the parser knows of them, that is where the new ones are.
        view = WSProtocol.get_buffer(self, size)
        # A guess, which is safe when it is wrong: then the rest of another frame comes in two parts.
        if view[0] == _CLOSE and size > 2:
            end = 6 + (view[1] & 0x7F)
            if end < size:
                self._feed_apart(end, bytes(view[end:size]))
                return
        WSProtocol.buffer_updated(self, size)

    def _feed_apart(self, size: int, rest: bytes) -> None:
        WSProtocol.buffer_updated(self, size)
        transport = self.transport
        if transport.is_close_frame_sent or transport.is_disconnected:
            return
        WSProtocol.get_buffer(self, len(rest))[: len(rest)] = rest
        WSProtocol.buffer_updated(self, len(rest))


class _QuietLogger(logging.LoggerAdapter[logging.Logger]):
    """picows logs peers' mistakes as errors, and given a plain logger it builds one for every connection."""

    def log(self, level: int, msg: object, *args: object, **kwargs: Any) -> None:
        super().log(logging.DEBUG, msg, *args, **kwargs)

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        return msg, kwargs


def _address_of(transport: asyncio.BaseTransport) -> str:
    peer = transport.get_extra_info("peername")
    return str(peer[0]) if isinstance(peer, tuple) else ""


async def listen(
    upgrade: Upgrade,
    host: str,
    port: int,
    *,
    max_message: int,
    handshake_timeout: float = 10.0,
    reuse_port: bool = False,
) -> asyncio.Server:
    """Listens for connections; `upgrade` answers each one's HTTP request. Raises `OSError`.

    `reuse_port`: other processes may listen there, too.
    """
    logger = _QuietLogger(logging.getLogger("hubbub.picows"), {})

    def make() -> FrameParser:
        def answer(request: WSUpgradeRequest) -> WSListener | WSUpgradeResponseWithListener | None:
            return upgrade(request, _address_of(parser.transport.underlying_transport))

        # The circle ends with the upgrade: then the parser forgets who answers.
        parser = FrameParser(
            None,
            None,
            False,
            answer,
            logger,
            True,
            handshake_timeout,
            False,
            20.0,
            20.0,
            WSAutoPingStrategy.PING_WHEN_IDLE,
            False,
            max_message,
            None,
            READ_BUFFER,
        )
        return parser

    # asyncio's own transports: docs/decisions/0003-asyncio-transports.md has the measurement.
    server = await asyncio.get_running_loop().create_server(
        make, host, port, reuse_address=True, reuse_port=reuse_port or None, backlog=1024
    )
    for listening in server.sockets:
        # Accepted sockets inherit it.
        if hasattr(socket, "TCP_NOTSENT_LOWAT"):
            listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_LIMIT)
    return server

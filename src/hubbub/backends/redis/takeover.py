"""From the driver's connection to its transport: the driver connects and authenticates, bytes then come to us."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, cast

import hiredis
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import RedisClusterException, RedisError

# Typed as if it took one word.
pack: Callable[[tuple[Any, ...]], bytes] = cast("Any", hiredis.pack_command)
"""A command as it goes over the wire."""

FAILURES = (RedisError, RedisClusterException, OSError)
"""What the driver raises for a server that is away or refuses; its second is none of the first."""


async def take_over(connection: AbstractConnection, protocol: asyncio.Protocol) -> asyncio.StreamWriter:
    """Connects, and gives the transport to `protocol`. Keep the writer: it closes the transport when it is collected.

    The driver's own reader costs a task switch, a timeout and several objects a message. Raises `FAILURES`.
    """
    try:
        await cast("Callable[[], Awaitable[None]]", connection.connect)()
    except BaseException:
        # It may be halfway there, and out of time.
        _let_go(connection, abort=True)
        raise
    writer = _let_go(connection)
    assert writer is not None
    writer.transport.set_protocol(protocol)
    return writer


def _let_go(connection: AbstractConnection, *, abort: bool = False) -> asyncio.StreamWriter | None:
    """Takes the writer from a connection, which else would close it when it is collected."""
    writer = connection._writer
    connection._reader = connection._writer = None
    if writer is not None and abort:
        writer.transport.abort()
    return writer

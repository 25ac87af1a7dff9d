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
    await cast("Callable[[], Awaitable[None]]", connection.connect)()
    writer = connection._writer
    assert writer is not None
    # Else the connection would close it when it is collected, too.
    connection._reader = connection._writer = None
    writer.transport.set_protocol(protocol)
    return writer

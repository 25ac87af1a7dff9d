"""The application's own subscriptions: a position in a log, read at the loop's own pace."""

from __future__ import annotations

from collections.abc import AsyncIterator

from hubbub.app.consumers import LogReader
from hubbub.hub.hub import Hub
from hubbub.protocol.messages import Message


async def subscribe(hub: Hub, channel: str) -> AsyncIterator[Message]:
    """Every message of a channel or topic pattern from now on. Raises `MessagesMissed`."""
    reader = LogReader(hub, channel)
    await reader.open()
    try:
        while True:
            for _, message in await reader.read() or ():
                yield message
    finally:
        reader.close()

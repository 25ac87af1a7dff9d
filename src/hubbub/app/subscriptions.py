"""The application's own subscriptions: a position in a log, read at the loop's own pace."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from hubbub.errors import HubbubError, MessagesMissed
from hubbub.hub.audience import unseal
from hubbub.hub.hub import Hub
from hubbub.hub.journal import Stretch
from hubbub.protocol.channels import Channel, parse_channel, topic_matches
from hubbub.protocol.messages import Message
from hubbub.protocol.payloads import Position

_STRETCH = 128


async def subscribe(hub: Hub, channel: str) -> AsyncIterator[Message]:
    """Every message of a channel or topic pattern from now on. Raises `MessagesMissed`."""
    wanted = parse_channel(channel)
    arrived = asyncio.Event()
    stop = hub.listen(channel, lambda _: arrived.set())
    try:
        head = await _head(hub, wanted.log)
        after = head.offset
        while True:
            arrived.clear()
            page = await _read(hub, wanted.log, after)
            if page.oldest > after + 1 and page.head > after:
                raise MessagesMissed(channel, after + 1, page.oldest - 1)
            for offset, record in page.entries:
                after = offset
                message = hub.wire.decode_record(unseal(record)[1], offset)
                if _is_wanted(wanted, message):
                    yield message
            if page.complete:
                await arrived.wait()
    finally:
        stop()


def _is_wanted(wanted: Channel, message: Message) -> bool:
    channel = str(message.channel)
    return channel == wanted.text or (wanted.is_pattern and topic_matches(wanted.text, channel))


async def _head(hub: Hub, log: str) -> Position:
    future: asyncio.Future[Position | None] = asyncio.get_running_loop().create_future()
    hub.journal.head(log, future.set_result)
    return await future or Position("", 0)


async def _read(hub: Hub, log: str, after: int) -> Stretch:
    future: asyncio.Future[Stretch | None] = asyncio.get_running_loop().create_future()
    hub.journal.read(log, future.set_result, after=after, limit=_STRETCH)
    page = await future
    if page is None:
        raise HubbubError(f"the log {log} cannot be read now")
    return page

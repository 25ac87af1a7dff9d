"""What a topic missed of a log that is read on for another one: it comes by history, before anything newer.

A session has one position in a log. When several topics of it are entered again after a session was lost, the log may
have been read on for the first before the server hears of the second: what that one missed is kept, but not delivered.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from msgspec import UNSET

from hubbub.client.composing import Composer
from hubbub.client.deliveries import Deliveries
from hubbub.client.requests import Requests
from hubbub.client.subscription import Queued, Subscription
from hubbub.delivery.pieces import PieceJoiner
from hubbub.errors import HubbubError, MessagesMissed
from hubbub.protocol import messages
from hubbub.protocol.channels import Channel
from hubbub.protocol.messages import Message
from hubbub.protocol.payloads import History, Position

log = logging.getLogger("hubbub.client")


class Detour:
    """One channel's way: everything up to `after` is in the queues of its subscriptions, up to `until` is to come.

    What the server delivers meanwhile only says how far it goes: it is in the log, too.
    """

    __slots__ = ("after", "channel", "drained", "epoch", "era", "pieces", "subscriptions", "until")

    def __init__(self, channel: Channel, before: Position, until: int, era: int) -> None:
        self.channel = channel
        self.epoch = before.epoch
        self.after = before.offset
        self.until = until
        self.era = era
        self.subscriptions: Sequence[Subscription] = ()
        self.drained = asyncio.Event()
        self.pieces = PieceJoiner()

    @property
    def missing(self) -> MessagesMissed:
        """What has not come by now."""
        return MessagesMissed(self.channel.log, self.after + 1, self.until)

    def takes(self, queued: Queued) -> bool:
        """Whether this need not be queued, since it comes by history."""
        if queued.era != self.era:
            return False
        if isinstance(queued.item, MessagesMissed):
            self.until = max(self.until, queued.item.last)
            return True
        if queued.item.offset is UNSET:
            return False
        self.until = max(self.until, queued.offset)
        return True


class Detours:
    """All that are under way, each with a task of its own: they are few, and seldom."""

    def __init__(self, composer: Composer, requests: Requests, deliveries: Deliveries) -> None:
        self._composer = composer
        self._requests = requests
        self._deliveries = deliveries
        self._under_way: dict[str, Detour] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self, channel: Channel, before: Position, until: int, era: int) -> None:
        """The server delivers from `until` on; what the channel has between `before` and there is still to come."""
        detour = self._under_way.get(channel.text)
        if detour is not None:
            detour.until = max(detour.until, until)
            return
        detour = self._under_way[channel.text] = Detour(channel, before, until, era)
        self._deliveries.divert(detour)
        task = asyncio.get_running_loop().create_task(self._run(detour), name=f"hubbub detour of {channel.text}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def stop(self) -> None:
        """There will be no other connection: what has not come is told missing."""
        for task in self._tasks:
            task.cancel()
        for detour in list(self._under_way.values()):
            self._end(detour)

    async def _run(self, detour: Detour) -> None:
        try:
            while detour.after < detour.until and self._deliveries.are_of(detour):
                if any(len(one) > one.LOW for one in detour.subscriptions):
                    detour.drained.clear()
                    await detour.drained.wait()
                    continue
                await self._read(detour)
        except HubbubError as error:
            log.warning("what %s missed cannot be had: %s", detour.channel.text, error)
        finally:
            self._end(detour)

    def _end(self, detour: Detour) -> None:
        if self._under_way.get(detour.channel.text) is detour:
            del self._under_way[detour.channel.text]
            self._deliveries.rejoin(detour)

    async def _read(self, detour: Detour) -> None:
        until = detour.until
        found, is_complete = await self._history(detour, until + 1, None)
        first = until + 1 if not found else _offset(found[0])
        if not is_complete and found:
            # For want of room in the answer, or because the log no longer has what was before?
            _, is_complete = await self._history(detour, first, 0)
        if not is_complete and first > detour.after + 1:
            self._deliveries.miss(detour, MessagesMissed(detour.channel.log, detour.after + 1, first - 1))
            detour.after = first - 1
        for message in found:
            detour.after = _offset(message)
            self._deliveries.fill(detour, message)
        if not found:
            detour.after = until

    async def _history(self, detour: Detour, before: int, limit: int | None) -> tuple[list[Message], bool]:
        """What the log has of the channel from there on, and whether that is all. Raises `HubbubError`."""
        query = self._composer.history(detour.channel.text, after=detour.after, before=before, limit=limit)
        answer = await self._requests.ask(query, repeatable=True)
        if not isinstance(answer, messages.HistoryMessage) or not isinstance(answer.payload, History):
            raise HubbubError("the server has no history")
        if answer.payload.epoch != detour.epoch:
            raise HubbubError("the log was begun anew")
        found = [] if answer.messages is UNSET else answer.messages
        return found, answer.payload.complete is True


def _offset(message: Message) -> int:
    return 0 if message.offset is UNSET else message.offset

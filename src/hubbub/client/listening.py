"""Subscriptions that call back."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from inspect import isawaitable

from hubbub.client.subscription import Subscription
from hubbub.errors import HubbubError, MessagesMissed
from hubbub.protocol.messages import Message

log = logging.getLogger("hubbub.client")

Callback = Callable[[Message], Awaitable[object] | object]
Missed = Callable[[MessagesMissed], object]


class Listener:
    """Calls back with a subscription's messages, in order, one at a time. One task for all of them.

    A callback that fails is logged, and its message counts as processed: one bad message must not stop the rest.
    """

    def __init__(self, subscription: Subscription, callback: Callback, on_missed: Missed | None) -> None:
        self.subscription = subscription
        self._callback = callback
        self._on_missed = on_missed
        self._task = asyncio.get_running_loop().create_task(self._run(), name="hubbub-listener")

    async def stop(self) -> None:
        """Calls back no more, and unsubscribes when it was the channel's last subscription."""
        if self._task is not asyncio.current_task():
            self._task.cancel()
            await asyncio.wait((self._task,))
        await self.subscription.end()

    async def _run(self) -> None:
        while True:
            try:
                message = await anext(self.subscription)
            except StopAsyncIteration:
                return
            except MessagesMissed as missed:
                if self._on_missed is not None:
                    self._guard(self._on_missed, missed)
                continue
            except HubbubError as error:
                log.debug("the listener of %s ends: %s", self.subscription.channel.text, error)
                return
            try:
                result = self._callback(message)
                if isawaitable(result):
                    await result
            except Exception:
                log.exception("the callback of %s failed", self.subscription.channel.text)

    def _guard(self, callback: Missed, missed: MessagesMissed) -> None:
        try:
            callback(missed)
        except Exception:
            log.exception("the callback of %s failed", self.subscription.channel.text)

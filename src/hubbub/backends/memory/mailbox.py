"""Messages between the nodes of one process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class MemoryExchange:
    """Where the mailboxes of a process meet."""

    def __init__(self) -> None:
        self.topics: dict[str, dict[MemoryMailbox, Callable[[bytes], None]]] = {}

    def deliver(self, topic: str, message: bytes) -> None:
        """To whoever has it open by now."""
        for receive in tuple(self.topics.get(topic, {}).values()):
            receive(message)


class MemoryMailbox:
    """Implements `Mailbox`: one for each node, all of one `exchange`."""

    def __init__(self, exchange: MemoryExchange) -> None:
        self._exchange = exchange

    def open(self, topic: str, receive: Callable[[bytes], None]) -> None:
        self._exchange.topics.setdefault(topic, {})[self] = receive

    def leave(self, topic: str) -> None:
        boxes = self._exchange.topics.get(topic, {})
        boxes.pop(self, None)
        if not boxes:
            self._exchange.topics.pop(topic, None)

    def send(self, topic: str, message: bytes) -> None:
        if topic in self._exchange.topics:
            asyncio.get_running_loop().call_soon(self._exchange.deliver, topic, message)

    def close(self) -> None:
        for topic in list(self._exchange.topics):
            self.leave(topic)

"""Messages from node to node."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol


class Mailbox(Protocol):
    """Small messages between nodes beside the logs: to whoever has opened the topic, at most once.

    From one sender they come in order. `receive` is called in the loop of whoever opened, the sender's own
    messages too.
    """

    def open(self, topic: str, receive: Callable[[bytes], None]) -> Awaitable[None] | None:
        """Returns when what is sent from now on comes. One `receive` a topic and mailbox."""
        ...

    def leave(self, topic: str) -> None:
        """Nothing more comes. Harmless when it is not open."""
        ...

    def send(self, topic: str, message: bytes) -> None:
        """Sends soon, without waiting; while the backend is away it is dropped."""
        ...

    def close(self) -> Awaitable[None] | None: ...

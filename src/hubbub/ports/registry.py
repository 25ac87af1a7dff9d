"""Which nodes there are."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import Literal, Protocol

from msgspec import Struct


class Activity(Struct, frozen=True):
    """What a node has done since it started, as it was at `at` seconds since 1970.

    `received` and `sent` are messages from and to its clients, `exchanged` those that went to or came from other nodes.
    """

    at: float = 0.0
    received: int = 0
    sent: int = 0
    exchanged: int = 0


class NodeRecord(Struct, frozen=True):
    """A node as the others see it. `run` tells one start of it from the next; `load` is its connections.

    `url` is where clients reach it by itself (ws:// or wss://), empty when they cannot.
    """

    name: str
    run: str
    url: str = ""
    load: int = 0
    capacity: int = 0
    state: Literal["up", "draining"] = "up"
    started: float = 0.0
    activity: Activity = Activity()


class Lease(Struct, frozen=True):
    """Something that one holder at a time has. `fence` grows with each new holder."""

    name: str
    holder: str
    fence: int


class Registry(Protocol):
    """Which nodes there are, and what each of them holds. What is not renewed in time is gone."""

    def announce(self, record: NodeRecord, ttl: float) -> Awaitable[bool] | bool:
        """The node lives for `ttl` seconds more. False when another run has the name now."""
        ...

    def withdraw(self, name: str, run: str) -> Awaitable[None] | None:
        """The node is gone at once; harmless when another run has the name."""
        ...

    def nodes(self) -> Awaitable[Sequence[NodeRecord]] | Sequence[NodeRecord]:
        """The nodes that live, sorted by name."""
        ...

    def lease(self, name: str, holder: str, ttl: float) -> Awaitable[Lease | None] | Lease | None:
        """Takes or renews the lease for `ttl` seconds; None while another holder has it. A renewal keeps its fence."""
        ...

    def release(self, lease: Lease) -> Awaitable[None] | None:
        """Gives it back; harmless when it is another's by now."""
        ...

    def close(self) -> Awaitable[None] | None: ...

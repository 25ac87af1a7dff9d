"""What is asked of every server."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Work:
    """Connections in rooms of equal size, and how many messages are under way at any time."""

    key: str
    title: str
    connections: int
    rooms: int
    window: int
    channel: Literal["topic", "room"]
    """What carries it in the hub; a peer knows only rooms."""


THROUGHPUT = (
    Work("topic-1", "one topic × 1,000, 1 in flight", 1000, 1, 1, "topic"),
    Work("topic-8", "one topic × 1,000, 8 in flight", 1000, 1, 8, "topic"),
    Work("rooms-10", "100 rooms × 10, 64 in flight", 1000, 100, 64, "room"),
    Work("rooms-2", "500 rooms × 2, 64 in flight", 1000, 500, 64, "room"),
)

IDLE = Work("idle", "10,000 idle connections in 100 rooms", 10_000, 100, 0, "room")

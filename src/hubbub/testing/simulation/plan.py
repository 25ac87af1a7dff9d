"""What a seed means: how many clients, which channels, what kind of server, and which faults when."""

from __future__ import annotations

import random
from typing import Literal

from msgspec import Struct

from hubbub.config import ChannelSettings, Settings
from hubbub.testing.simulation.server import Storage

Fault = Literal[
    "cut", "swallow", "swallow_up", "swallow_down", "stall", "freeze", "slow", "refuse", "restart", "crash", "clock"
]

_FAULTS: tuple[Fault, ...] = (
    "cut",
    "cut",
    "cut",
    "swallow",
    "swallow_up",
    "swallow_down",
    "stall",
    "freeze",
    "freeze",
    "slow",
    "refuse",
    "restart",
    "crash",
    "clock",
)


_STORAGES: tuple[Storage, ...] = ("memory", "kept", "kept", "slow", "slow", "slow", "sqlite", "power")

_SMALL_MEMORY = 8000
"""Bytes in which not all logs have room: some are dropped, or read from disk."""


_ORDINARY = 64 * 1024
_AROUND = 300
"""Bytes of a frame around its content."""


class Happening(Struct, frozen=True):
    """A fault at `at` seconds after the beginning; `size` is between 0 and 1, for what can be more or less."""

    at: float
    fault: Fault
    size: float


class Reading(Struct, frozen=True):
    """A subscription: whether it acknowledges, and for how long its program thinks about each message, in seconds."""

    channel: str
    ack: bool
    thinking: float


class Person(Struct, frozen=True):
    """A client: it reads, and publishes so many messages of about `size` bytes, one every `pause` seconds or so."""

    name: str
    codec: str
    readings: tuple[Reading, ...]
    channels: tuple[str, ...]
    messages: int
    size: int
    pause: float
    burst: int


class Plan(Struct, frozen=True):
    """Everything that a seed decides beforehand. `duration` in virtual seconds, after which faults end."""

    seed: int
    duration: float
    delay: float
    window: int
    partly: bool
    storage: Storage
    settings: Settings
    people: tuple[Person, ...]
    happenings: tuple[Happening, ...]

    @property
    def most_at_once(self) -> int:
        """Bytes of all messages together: while the disk is busy they wait, and go out in one turn."""
        return max(_ORDINARY, sum(one.messages * (one.size + _AROUND) for one in self.people))


def make_plan(seed: int) -> Plan:
    """The same for the same seed, always."""
    rng = random.Random(f"plan/{seed}")
    duration = rng.choice((20.0, 40.0, 90.0))
    rooms = [f"room:r{number}" for number in range(rng.randint(1, 2))]
    topics = ["topic:t.a", "topic:t.b", "topic:t.b.c"]
    people = tuple(_person(rng, number, rooms, topics, duration) for number in range(rng.randint(2, 5)))
    storage = rng.choice(_STORAGES)
    count = rng.randint(1, 9)
    happenings = sorted((rng.uniform(1.0, duration), rng.choice(_FAULTS), rng.random()) for _ in range(count))
    return Plan(
        seed=seed,
        duration=duration,
        delay=rng.choice((0.001, 0.01, 0.05, 0.4)),
        window=rng.choice((64 * 1024, 64 * 1024, 2048)),
        partly=rng.random() < 0.3,
        storage=storage,
        settings=_settings(rng, storage),
        people=people,
        happenings=tuple(Happening(*each) for each in happenings),
    )


def _settings(rng: random.Random, storage: Storage) -> Settings:
    channels: tuple[ChannelSettings, ...] = ()
    if rng.random() < 0.15:
        channels = (ChannelSettings(channel="room:*", overrun="disconnect"),)
    return Settings(
        anonymous=True,
        node="simulated",
        retention_messages=rng.choice((5, 30, 1000, 1000)),
        retention_age=rng.choice((20.0, 3600.0, 3600.0)),
        # A log that one hub has to itself does not begin anew and answer late.
        memory_limit=_SMALL_MEMORY if storage != "slow" and rng.random() < 0.3 else 256 * 1024 * 1024,
        presence_limit=rng.choice((0, 100)),
        hello_timeout=rng.choice((10.0, 30.0)),
        write_buffer=rng.choice((4096, 64 * 1024)),
        channels=channels,
    )


def _person(rng: random.Random, number: int, rooms: list[str], topics: list[str], duration: float) -> Person:
    wanted = rng.sample(rooms, rng.randint(1, len(rooms)))
    wanted += rng.sample(["topic:t.a", "topic:t.*", "topic:t.**", "topic:t.b"], rng.choice((0, 1, 2, 3)))
    slow = rng.random() < 0.2
    ack = rng.random() < 0.5
    thinking = rng.uniform(0.05, 1.0) if slow else 0.0
    readings = tuple(Reading(channel, ack, thinking) for channel in wanted)
    messages = rng.choice((0, 5, 15, 40))
    return Person(
        name=f"u{number}",
        codec=rng.choice(("json", "json", "protobuf")),
        readings=readings,
        # Rooms are written to by members only.
        channels=tuple([channel for channel in wanted if channel in rooms] + topics),
        messages=messages,
        size=rng.choice((0, 0, 0, 2000)),
        pause=duration / (messages + 1),
        burst=rng.choice((1, 1, 1, 20)),
    )

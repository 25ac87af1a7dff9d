"""The programs that use clients: some read, some publish, and all write down what they are handed and told."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from hubbub.client.client import Client
from hubbub.client.connecting import connect
from hubbub.client.subscription import Subscription
from hubbub.errors import ConnectionClosed, HubbubError, MessagesMissed, OutcomeUnknown, ProtocolError
from hubbub.protocol.channels import parse_channel
from hubbub.testing.simulation.checker import Acknowledged, Heard
from hubbub.testing.simulation.plan import Person, Reading

if TYPE_CHECKING:
    from hubbub.testing.simulation.run import Run

_RETRY = 1.0
"""Seconds until what was refused is tried again."""


class Program:
    """One person's program: a client, a task for each subscription, and one that publishes."""

    def __init__(self, run: Run, person: Person) -> None:
        self._run = run
        self._person = person
        self._rng = random.Random(f"{run.plan.seed}/{person.name}")
        self.client: Client
        self.subscriptions: list[Subscription] = []
        self._is_stopping = False
        self.readers: list[asyncio.Task[None]] = []
        self.publisher: asyncio.Task[None]

    async def start(self) -> None:
        """The client connects in the background: the server may not be there yet."""
        self.client = await connect(
            "ws://simulated/ws",
            background=True,
            user=self._person.name,
            codec=self._person.codec,
            dial=self._run.network.dial,
            rng=random.Random(f"client/{self._run.plan.seed}/{self._person.name}"),
            wall=self._run.wall,
        )
        self.client.on("close", self._closed)
        self.client.on("presence", lambda message: self._run.presence.told(self._person.name, message))
        loop = asyncio.get_running_loop()
        self.readers = [loop.create_task(self._read(reading)) for reading in self._person.readings]
        self.publisher = loop.create_task(self._publish())

    def _closed(self, reason: ConnectionClosed) -> None:
        if not self._is_stopping:
            self._run.blame(f"the client of {self._person.name} gave up for good: {reason}")

    async def stop(self) -> None:
        self._is_stopping = True
        for task in (*self.readers, self.publisher):
            task.cancel()
        await asyncio.gather(*self.readers, self.publisher, return_exceptions=True)
        await self.client.close()

    async def _read(self, reading: Reading) -> None:
        """Reads on, whatever happens; a subscription that ends with an error is begun anew, and counts as another."""
        while True:
            subscription = self.client.subscribe(reading.channel, ack=reading.ack)
            self.subscriptions.append(subscription)
            try:
                await subscription.begin()
            except ConnectionClosed:
                return
            except HubbubError as error:
                self._run.note(f"{self._person.name} cannot read {reading.channel}: {error}")
                await asyncio.sleep(_RETRY)
                continue
            channel = parse_channel(reading.channel)
            heard = Heard(self._person.name, channel, self._run.truth.count(channel.log), [])
            self._run.begun(heard)
            while True:
                try:
                    message = await anext(subscription)
                except MessagesMissed as missed:
                    self._run.note(f"{self._person.name} missed {missed.first}-{missed.last} of {missed.log}")
                    self._run.missed(heard, missed)
                    continue
                except HubbubError as error:
                    self._run.note(f"{self._person.name} reads {reading.channel} no more: {error}")
                    self._run.ended(heard)
                    return
                self._run.note(f"{self._person.name} got {message.channel} {message.offset} {message.message_id}")
                heard.events.append((str(message.message_id), int(message.offset or 0)))
                if reading.thinking and not self._run.is_settling:
                    await asyncio.sleep(reading.thinking * self._rng.random())

    async def _publish(self) -> None:
        person, loop = self._person, asyncio.get_running_loop()
        left = person.messages
        under_way: set[asyncio.Task[None]] = set()
        while left:
            await asyncio.sleep(person.pause * 2 * self._rng.random())
            for _ in range(min(left, person.burst)):
                left -= 1
                content = f"{person.name}-{left}".ljust(person.size, ".")
                task = loop.create_task(self._publish_one(self._rng.choice(person.channels), content))
                under_way.add(task)
                task.add_done_callback(under_way.discard)
        while under_way:
            await asyncio.wait(under_way)

    async def _publish_one(self, channel: str, content: str) -> None:
        name = self._person.name
        id = _new_id(self._rng)
        try:
            position = await self.client.publish(channel, content, message_id=id)
        except OutcomeUnknown:
            self._run.note(f"{name} does not know what became of {id}")
        except (ProtocolError, ConnectionClosed) as error:
            self._run.note(f"{name} could not publish {id}: {error}")
        else:
            self._run.note(f"{name} published {id} at {position.offset}")
            self._run.acknowledged.append(Acknowledged(name, id, channel, position))


async def finish(tasks: list[asyncio.Task[None]], patience: float) -> bool:
    """Whether the tasks end within so many seconds."""
    with suppress(TimeoutError):
        async with asyncio.timeout(patience):
            await asyncio.wait(tasks)
    return all(task.done() for task in tasks)


async def become(condition: Callable[[], bool], patience: float) -> bool:
    """Whether something comes true within so many seconds."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + patience
    while not condition():
        if loop.time() >= deadline:
            return False
        await asyncio.sleep(1.0)
    return True


def _new_id(rng: random.Random) -> str:
    digits = f"{rng.getrandbits(128):032x}"
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))

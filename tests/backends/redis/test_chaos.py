"""Three hubs on a durable Redis that is killed, stopped and cut off again and again: every message comes to everyone
once, all in one order. The faults are drawn from a seed."""

import asyncio
import random
import signal
import uuid
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

import hubbub
from tests.backends.redis.conftest import Backends
from tests.backends.redis.test_faults import DURABLE
from tests.servers.redis import RedisServer, RedisThree

pytestmark = pytest.mark.slow

HUBS = 3
USERS = 6
MESSAGES = 50
"""Of each user."""
ROOMS = ("room:a", "room:b")
IN_A_ROOM = USERS * MESSAGES // len(ROOMS)


@pytest.fixture(params=["one", "three"])
def servers(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[list[RedisServer]]:
    if request.param == "one":
        one = RedisServer(tmp_path / "redis", *DURABLE)
        one.start()
        yield [one]
        one.kill()
    else:
        three = RedisThree(tmp_path / "cluster", *DURABLE)
        three.start()
        yield three.servers
        three.kill()


class Faults:
    """What happens to the servers until `stop`."""

    def __init__(self, servers: list[RedisServer], rng: random.Random) -> None:
        self.count = 0
        self._servers = servers
        self._rng = rng
        self._stopped = asyncio.Event()

    def stop(self) -> None:
        self._stopped.set()

    async def run(self) -> None:
        # Every kind once at least, then any.
        kinds = [self._restart, self._cut, self._pause]
        while not self._stopped.is_set() or self.count < 3:
            await asyncio.sleep(self._rng.uniform(0.2, 0.8))
            kind = kinds[self.count] if self.count < 3 else self._rng.choice(kinds)
            await kind(self._rng.choice(self._servers))
            self.count += 1

    async def _restart(self, server: RedisServer) -> None:
        server.kill()
        await asyncio.sleep(self._rng.uniform(0, 0.4))
        await asyncio.to_thread(server.start)

    async def _cut(self, server: RedisServer) -> None:
        for kind in ("pubsub", "normal"):
            await asyncio.to_thread(server.ask, f"CLIENT KILL TYPE {kind}")

    async def _pause(self, server: RedisServer) -> None:
        server.signal(signal.SIGSTOP)
        await asyncio.sleep(self._rng.choice([0.2, 2.5]))
        server.signal(signal.SIGCONT)


class Person:
    """Publishes to both rooms in turn, and writes down what comes."""

    def __init__(self, client: hubbub.Client, name: str) -> None:
        self.client = client
        self.name = name
        self.heard: dict[str, list[tuple[str, str]]] = {room: [] for room in ROOMS}

    async def listen(self, room: str) -> None:
        async for message in self.client.subscribe(room):
            if message.type == "text":
                self.heard[room].append((message.sender, message.payload.content))  # type: ignore[union-attr]

    async def publish(self, rng: random.Random) -> None:
        for number in range(MESSAGES):
            # One that was refused may be in the log all the same: it goes again under its id.
            id = str(uuid.uuid4())
            while True:
                try:
                    await self.client.publish(ROOMS[number % 2], f"{number}", message_id=id)
                    break
                except (hubbub.TryLater, hubbub.OutcomeUnknown):
                    await asyncio.sleep(0.05)
            await asyncio.sleep(rng.uniform(0, 0.04))


@pytest.mark.parametrize("seed", [1])
async def test_everything_comes_once_and_in_one_order(
    servers: list[RedisServer], backends: Backends, seed: int
) -> None:
    rng = random.Random(seed)
    async with AsyncExitStack() as stack:
        given = {"anonymous": True, "port": 0, "backend": servers[0].url, "cluster": backends.cluster}
        apps = [hubbub.Hubbub(node=f"n{number}", drain_timeout=2.0, **given) for number in range(HUBS)]
        for app in apps:
            await stack.enter_async_context(app.serve())
        people = []
        for number in range(USERS):
            name = f"u{number}"
            url = f"ws{apps[number % HUBS].url[4:]}/ws"
            people.append(Person(await stack.enter_async_context(hubbub.connect(url, user=name)), name))
            for room in ROOMS:
                await people[-1].client.join(room)
        listening = [asyncio.create_task(person.listen(room)) for person in people for room in ROOMS]
        await asyncio.sleep(0)
        faults = Faults(servers, rng)
        failing = asyncio.create_task(faults.run())
        async with asyncio.timeout(90):
            await asyncio.gather(*(person.publish(rng) for person in people))
            faults.stop()
            await failing
            await until(
                lambda: all(len(person.heard[room]) >= USERS * MESSAGES // 2 for person in people for room in ROOMS)
            )
        for task in listening:
            task.cancel()
    assert faults.count >= 3
    for room in ROOMS:
        said = people[0].heard[room]
        assert len(said) == len(set(said)) == IN_A_ROOM
        for person in people:
            assert person.heard[room] == said
            own = [int(text) for sender, text in said if sender == person.name]
            assert own == sorted(own)


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.05)

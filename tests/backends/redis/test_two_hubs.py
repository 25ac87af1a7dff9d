"""Two hubs on one Redis: what one client sends the others get, wherever they are, also over faults of the server."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

import hubbub
from tests.backends.redis.conftest import Backends
from tests.backends.redis.test_faults import DURABLE
from tests.servers.redis import RedisServer, RedisThree

pytestmark = pytest.mark.slow


@asynccontextmanager
async def two_hubs(url: str, cluster: str) -> AsyncIterator[list[str]]:
    """The WebSocket URLs of two hubs of one cluster."""
    apps = [
        hubbub.Hubbub(anonymous=True, port=0, node=name, backend=url, cluster=cluster, drain_timeout=2.0)
        for name in ("n1", "n2")
    ]
    async with apps[0].serve(), apps[1].serve():
        yield [f"ws{app.url[4:]}/ws" for app in apps]


async def take(messages: AsyncIterator[hubbub.Message], count: int) -> list[str]:
    """The texts of the next messages."""
    found = []
    async with asyncio.timeout(20):
        while len(found) < count:
            found.append(hubbub_text(await anext(messages)))
    return found


def hubbub_text(message: hubbub.Message) -> str:
    content = message.payload.content  # type: ignore[union-attr]
    assert isinstance(content, str)
    return content


@pytest.mark.parametrize("place", ["redis_server", "redis_three"])
async def test_a_room_is_one_room(place: str, request: pytest.FixtureRequest, backends: Backends) -> None:
    server: RedisServer | RedisThree = request.getfixturevalue(place)
    async with two_hubs(server.url, backends.cluster) as (here, there):
        async with hubbub.connect(here, user="ann") as ann, hubbub.connect(there, user="bob") as bob:
            heard = {"ann": ann.subscribe("topic:news.a"), "bob": bob.subscribe("topic:news.*")}
            first = {name: asyncio.ensure_future(anext(messages)) for name, messages in heard.items()}
            async with asyncio.timeout(20):
                while not all(one.done() for one in first.values()):
                    await ann.publish("topic:news.a", "hello")
                    await asyncio.sleep(0.05)
            for number in range(50):
                await (ann, bob)[number % 2].publish("topic:news.a", f"{number}")
            wanted = [f"{number}" for number in range(50)]
            for messages in heard.values():
                texts: list[str] = []
                while texts[-1:] != ["49"]:
                    texts += await take(messages, 1)
                assert [text for text in texts if text != "hello"] == wanted


async def test_a_restart_of_redis_loses_and_doubles_nothing(tmp_path: Path, backends: Backends) -> None:
    server = RedisServer(tmp_path / "redis", *DURABLE)
    server.start()
    try:
        async with two_hubs(server.url, backends.cluster) as (here, there):
            async with hubbub.connect(here, user="ann") as ann, hubbub.connect(there, user="bob") as bob:
                await ann.join("room:den")
                await bob.join("room:den")
                texts: list[str] = []

                async def listen() -> None:
                    async for message in bob.subscribe("room:den"):
                        if message.type == "text":
                            texts.append(hubbub_text(message))

                listening = asyncio.create_task(listen())
                await asyncio.sleep(0)

                async def publish() -> None:
                    for number in range(200):
                        # One that was refused may be in the log all the same: it goes again under its id.
                        id = str(uuid.uuid4())
                        while True:
                            try:
                                await ann.publish("room:den", f"{number}", message_id=id)
                                break
                            except hubbub.TryLater:
                                await asyncio.sleep(0.05)
                        if number == 60:
                            restarting.set()

                restarting = asyncio.Event()
                publishing = asyncio.create_task(publish())
                await restarting.wait()
                await asyncio.to_thread(server.kill)
                await asyncio.to_thread(server.start)
                await asyncio.wait_for(publishing, 30)
                async with asyncio.timeout(20):
                    while texts[-1:] != ["199"]:
                        await asyncio.sleep(0.02)
                listening.cancel()
                assert texts == [f"{number}" for number in range(200)]
    finally:
        server.kill()

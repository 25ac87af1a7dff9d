"""Two hubs on one Kafka: a room is one room, and what is not Kafka's to do is refused by name."""

import asyncio
from collections.abc import AsyncIterator

import pytest

import hubbub
from tests.backends.kafka.nodes import Nodes
from tests.sockets import ws

pytestmark = pytest.mark.slow


async def listen(messages: AsyncIterator[hubbub.Message], texts: list[str]) -> None:
    async for message in messages:
        if message.type == "text":
            texts.append(message.payload.content)  # type: ignore[union-attr, arg-type]


async def test_a_room_is_one_room(nodes: Nodes) -> None:
    apps = [hubbub.Hubbub(anonymous=True, port=0, node=name, log=nodes.url) for name in ("n1", "n2")]
    async with apps[0].serve(), apps[1].serve():
        async with hubbub.connect(ws(apps[0]), user="ann") as ann, hubbub.connect(ws(apps[1]), user="bob") as bob:
            heard: dict[str, list[str]] = {"ann": [], "bob": []}
            tasks = []
            for name, client in (("ann", ann), ("bob", bob)):
                await client.join("room:den")
                tasks.append(asyncio.create_task(listen(client.subscribe("room:den"), heard[name])))
            await asyncio.sleep(0)
            for number in range(50):
                await (ann, bob)[number % 2].publish("room:den", f"{number}")
            await bob.publish("room:den", "the end")
            expected = [*(f"{number}" for number in range(50)), "the end"]
            async with asyncio.timeout(20):
                while any(texts[-1:] != expected[-1:] for texts in heard.values()):
                    await asyncio.sleep(0.02)
            assert heard == {"ann": expected, "bob": expected}
            for task in tasks:
                task.cancel()


async def test_history_is_what_every_node_took(nodes: Nodes) -> None:
    apps = [hubbub.Hubbub(anonymous=True, port=0, node=name, log=nodes.url) for name in ("n1", "n2")]
    async with apps[0].serve(), apps[1].serve():
        async with hubbub.connect(ws(apps[0]), user="ann") as ann:
            await ann.join("room:den")
            for number in range(20):
                await ann.publish("room:den", f"{number}")
        async with hubbub.connect(ws(apps[1]), user="bob") as bob:
            await bob.join("room:den")
            found = [message for message in await bob.history("room:den") if message.type == "text"]
            texts = [message.payload.content for message in found]  # type: ignore[union-attr]
            assert texts == [f"{number}" for number in range(20)]

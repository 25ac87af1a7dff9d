"""What a node of a cluster says over HTTP, and where it is reached."""

import asyncio
import json
import urllib.request
from typing import Any

import hubbub
from hubbub.backends.memory.log import MemoryLog
from hubbub.backends.memory.mailbox import MemoryExchange, MemoryMailbox
from hubbub.backends.memory.registry import MemoryRegistry
from hubbub.backends.memory.sessions import MemorySessions
from tests.sockets import serving, upgrade


class Stores:
    def __init__(self) -> None:
        self.registry, self.sessions, self.exchange = MemoryRegistry(), MemorySessions(), MemoryExchange()

    def app(self, name: str, **settings: Any) -> hubbub.Hubbub:
        return hubbub.Hubbub(
            anonymous=True,
            port=0,
            node=name,
            log=MemoryLog(),
            sessions=self.sessions,
            registry=self.registry,
            mailbox=MemoryMailbox(self.exchange),
            **settings,
        )


async def get(app: hubbub.Hubbub, path: str) -> Any:
    def read() -> Any:
        with urllib.request.urlopen(app.url + path, timeout=10) as answer:
            return json.load(answer)

    return await asyncio.to_thread(read)


async def test_the_least_loaded_node_is_named() -> None:
    stores = Stores()
    async with serving(stores.app("n1", max_connections=7)) as first, serving(stores.app("n2")) as second:
        async with hubbub.connect(f"ws{first.url[4:]}/ws", user="ann"):
            for app in (first, second):
                await app.server.node.cluster.members.announce()  # type: ignore[union-attr]
            expected = {"node": "n2", "url": f"ws{second.url[4:]}/ws"}
            assert await get(first, "/connect") == await get(second, "/connect") == expected
        members = second.server.node.cluster.members  # type: ignore[union-attr]
        record = members.find("n1")
        assert record is not None
        assert (record.load, record.capacity) == (1, 7)
        health = await get(first, "/health")
        assert health["cluster"] == {"nodes": 1, "registry": "ok", "moved": 0}


async def test_a_node_is_reached_where_it_is_advertised_or_where_it_alone_listens() -> None:
    stores = Stores()
    urls = []
    for settings in ({}, {"advertise": "wss://n.example/ws"}, {"host": "0.0.0.0"}, {"reuse_port": True}):
        async with serving(stores.app("n", **settings)) as app:
            urls.append(app.server.node.cluster.members.url)  # type: ignore[union-attr]
            own = f"ws{app.url[4:]}/ws"
        urls[-1] = urls[-1].replace(own, "own")
    assert urls == ["own", "wss://n.example/ws", "", ""]


async def test_a_page_of_another_node_may_connect() -> None:
    stores = Stores()
    behind = {"advertise": "wss://N1.example.org:443/ws"}
    async with serving(stores.app("n1", **behind)) as first, serving(stores.app("n2")) as second:
        for app in (first, second):
            await app.server.node.cluster.members.announce()  # type: ignore[union-attr]
        for app, origin, status in (
            (first, second.url, 101),
            (second, "https://n1.example.org", 101),
            # Its own, also where the proxy before it changes `Host`.
            (first, "https://n1.example.org", 101),
            (second, "http://n1.example.org", 403),
            (second, "https://n1.example.org:8443", 403),
            (second, "https://example.org", 403),
            (second, "null", 403),
        ):
            socket = await upgrade(app.url, Origin=origin)
            assert (origin, socket.status) == (origin, status)
            socket.close()
        before = second.url
    async with serving(stores.app("n3")) as third:
        socket = await upgrade(third.url, Origin=before)
        assert socket.status == 403, "that node is gone"
        socket.close()

"""Two nodes between which a client is moved."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import hubbub
from tests.client.fake import FakeHub, FakeSocket, Json, client_of
from tests.waiting import until


class Two:
    """Two nodes with the sessions in common: `old`, where clients are sent first, and `new`."""

    def __init__(self) -> None:
        self.old, self.new = FakeHub(), FakeHub()
        self.urls: list[str] = []

    async def dial(self, url: str, **options: Any) -> FakeSocket:
        self.urls.append(url)
        hub = self.new if url == "ws://new/ws" else self.old
        return await hub.dial(url, **options)

    @asynccontextmanager
    async def client(self, **options: Any) -> AsyncIterator[hubbub.Client]:
        async with client_of(self.old, dial=self.dial, **options) as client:
            self.new.session = self.old.session
            yield client

    def migrate(self, *, delay: float = 0.0, deadline: float = 10.0, url: str = "ws://new/ws") -> None:
        times = {"delay_ms": int(delay * 1000), "deadline_ms": int(deadline * 1000)}
        self.old.socket.say({"type": "migrate", "payload": {"url": url, "ticket": "t1", **times}})

    async def arrival(self) -> Json:
        """What the client introduced itself with at the new node."""
        await until(lambda: bool(self.new.heard("restore_session")))
        return self.new.heard("restore_session")[-1]

    async def on_its_way(self, client: hubbub.Client, *, ack: bool = False) -> tuple[list[int], list[Any], Json]:
        """It has the first message of a room, and asks at the new node, which takes its time to answer.

        Returns the offsets that it sees, what it is told it missed, and what it asked.
        """
        seen: list[int] = []
        missed: list[Any] = []
        await client.listen("room:den", lambda message: seen.append(message.offset), ack=ack, on_missed=missed.append)
        self.old.deliver("room:den", 1)
        await until(lambda: seen == [1])
        self.new.answers["restore_session"] = lambda socket, message: None
        self.migrate()
        return seen, missed, await self.arrival()

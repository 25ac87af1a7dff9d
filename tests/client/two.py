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

"""Raw clients of nodes in this process, on virtual time."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Callable
from typing import Any

import hubbub
from hubbub.protocol.wire import profile_of
from hubbub.testing.transport import RecordingTransport
from tests.waiting import until


class Answering(RecordingTransport):
    """Its peer answers pings at once."""

    answer: Callable[[], None]

    def ping(self, payload: bytes) -> None:
        asyncio.get_running_loop().call_soon(self.answer)


class Peer:
    """A raw client of one node."""

    def __init__(self, app: hubbub.Hubbub, user: str) -> None:
        self.app = app
        self.user = user
        self.transport = Answering()
        self._talk = app.server.attach(self.transport)
        self.transport.answer = self._talk.ponged
        self._count = 0
        self._all: list[Any] = []
        self.id = ""
        self.connection_id = ""

    def say(self, type: str, **fields: Any) -> str:
        """Sends a message, and returns its id."""
        self._count += 1
        id = str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{self.user}/{self._count}"))
        data = json.dumps({"type": type, "messageId": id, "timestamp": 1, "sender": self.user, **fields})
        self._talk.received(data, len(data))
        return id

    async def ask(self, type: str, **fields: Any) -> Any:
        """Sends a message and waits for its answer."""
        id = self.say(type, **fields)
        await until(lambda: any(message.message_id == id for message in self.got()))
        return next(message for message in self.got() if message.message_id == id)

    async def command(self, action: str, room: str, **payload: Any) -> Any:
        return await self.ask("command", channel=f"room:{room}", payload={"action": action, **payload})

    def text(self, channel: str, content: str) -> None:
        self.say("text", channel=channel, payload={"content": content})

    async def begin(self, *rooms: str) -> Peer:
        """Says hello and joins the rooms."""
        welcome = await self.ask("hello", version="1.2", payload={"user": self.user})
        self.id, self.connection_id = welcome.session_id, welcome.connection_id
        for room in rooms:
            ack = await self.command("join", room)
            assert ack.type == "ack", ack
        return self

    async def come_back(self, app: hubbub.Hubbub) -> Peer:
        """The same session over a new connection, perhaps of another node."""
        other = Peer(app, self.user)
        other._count = 1000
        other.id = self.id
        restored = await other.ask("restore_session", sessionId=self.id)
        assert restored.type == "session_restored", restored
        return other

    def hang_up(self) -> None:
        self._talk.closed()

    def got(self, type: str = "") -> list[Any]:
        """Everything of this type that came so far."""
        self._all += self.transport.take(self.app.hub.wire, profile_of("json"))
        return [message for message in self._all if not type or message.type == type]

    def forget(self) -> None:
        """What came so far was seen."""
        self.got()
        self._all.clear()

    def texts(self) -> list[tuple[int, str]]:
        return [(message.offset, message.payload.content) for message in self.got("text")]

    def told(self) -> list[tuple[str, str, int]]:
        """The presence events: what, who, and how many there were then."""
        events = [message.payload for message in self.got("presence")]
        return [(event.event, event.user, event.count) for event in events if event.event]

    async def hear(self, type: str, count: int = 1) -> list[Any]:
        await until(lambda: len(self.got(type)) >= count)
        return self.got(type)

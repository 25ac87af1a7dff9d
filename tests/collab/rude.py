"""A client of documents by hand: says what it wants, and hears what comes."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, ClassVar

from hubbub import Hubbub
from tests.sockets import RawSocket, serving, upgrade

Json = dict[str, Any]


class Rude:
    """One socket; messages that are not waited for are kept."""

    connected: ClassVar[list[Rude]] = []

    def __init__(self, socket: RawSocket) -> None:
        self.socket = socket
        self.heard: list[Json] = []
        self.connected.append(self)

    @classmethod
    async def connect(cls, app: Hubbub, user: str = "ann") -> Rude:
        socket = await upgrade(app.url)
        await socket.hello(user)
        return cls(socket)

    def say(self, type: str, document: str = "d", **fields: Any) -> str:
        """Sends a message; returns its id."""
        id = str(uuid.uuid4())
        self.socket.send({"type": type, "messageId": id, "channel": f"doc:{document}", **fields})
        return id

    async def next(self, *types: str) -> Json:
        """The next message of one of these types, also one that came before what was waited for."""
        for place, message in enumerate(self.heard):
            if message["type"] in types:
                return self.heard.pop(place)
        while True:
            message = await self.socket.receive()
            if message["type"] in types:
                return message
            self.heard.append(message)

    async def join(self, document: str = "d", **fields: Any) -> Json:
        """Opens a document; returns `joined` with the `init` within, if one follows."""
        self.say("join", document, documentId=document, **fields)
        joined = await self.next("joined", "error")
        assert joined["type"] == "joined", joined
        if not joined["payload"]["recovered"]:
            joined["init"] = (await self.next("init"))["payload"]
        return joined

    def edit(self, operation: list[Any], revision: int, seq: int, document: str = "d", **fields: Any) -> str:
        payload = {"operation": operation, "revision": revision, "seq": seq, **fields}
        return self.say("operation", document, payload=payload)

    async def operations(self) -> list[Json]:
        """The entries of the next `operations`."""
        found: list[Json] = (await self.next("operations"))["payload"]["operations"]
        return found

    async def refusal(self) -> tuple[str, str | None]:
        """Code and field of the next error."""
        error = await self.next("error")
        return error["code"], error["payload"].get("field")

    async def quiet(self) -> list[Json]:
        """Everything that was heard until the server answers a ping."""
        id = str(uuid.uuid4())
        self.socket.send({"type": "ping", "messageId": id})
        while True:
            message = await self.socket.receive()
            if message.get("messageId") == id:
                found, self.heard = self.heard, []
                return found
            self.heard.append(message)

    def close(self) -> None:
        self.socket.close()


@asynccontextmanager
async def serving_documents(app: Hubbub) -> AsyncIterator[None]:
    """The application runs; in the end those who connected hang up first."""
    async with serving(app):
        try:
            yield
        finally:
            left, Rude.connected[:] = list(Rude.connected), []
            for one in left:
                one.close()
            for one in left:
                with suppress(OSError):
                    await one.socket.writer.wait_closed()

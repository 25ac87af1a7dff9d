"""The server says what the golden transcripts have, over real sockets and in both codecs."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

import msgspec
import pytest

from hubbub import Hubbub
from hubbub.protocol.catalog import Catalog
from hubbub.protocol.wire import Wire, profile_of
from tests.protocol.raw import raw_protobuf
from tests.sockets import RawSocket, serving, upgrade
from tests.vectors.script import Json, Mismatch, Transcript, names

WIRE = Wire(Catalog(accept_unknown=True))
APPLICATION = {"text", "image", "file", "command", "data"}


class Peer:
    """One user's connection."""

    def __init__(self, socket: RawSocket, codec: str) -> None:
        self.socket = socket
        self.codec = codec

    def say(self, message: Json) -> None:
        if self.codec == "json":
            self.socket.send(message)
        else:
            data = raw_protobuf(message)
            assert data is not None, "Protobuf has no form for it"
            self.socket.send_frame(2, data)

    async def hear(self) -> Json:
        """The next message; the server's pings are frames, and skipped."""
        while True:
            opcode, payload, _ = await self.socket.frame()
            if opcode in (1, 2):
                assert opcode == (1 if self.codec == "json" else 2)
                found: Json = msgspec.to_builtins(WIRE.decode(profile_of(self.codec), payload))
                return found
            assert opcode == 9, f"opcode {opcode}: {payload!r}"

    async def answer(self, message_id: str) -> Json:
        while True:
            message = await self.hear()
            if message.get("messageId") == message_id and message["type"] in ("ack", "error", "welcome"):
                return message


class Stage:
    """A server, and the transcript that it is to follow."""

    def __init__(self, transcript: Transcript, codec: str) -> None:
        self.transcript = transcript
        self.codec = codec
        self.app: Hubbub
        self.peers: dict[str, Peer] = {}
        self._served = AsyncExitStack()

    async def play(self) -> None:
        await self.serve()
        try:
            await self.connect({})
            for step in self.transcript.steps("server"):
                kind = next(key for key in step if key in STEPS)
                await STEPS[kind](self, step)
        finally:
            await self.stop()

    async def serve(self) -> None:
        self.app = await self._served.enter_async_context(serving(**self.transcript.settings))

    async def stop(self) -> None:
        for peer in self.peers.values():
            peer.socket.close()
        self.peers.clear()
        await self._served.aclose()

    async def open(self) -> Peer:
        return Peer(await upgrade(self.app.url, protocol=f"hubbub.{self.codec}"), self.codec)

    # --- Steps -----------------------------------------------------------------------------------------

    async def connect(self, step: Json) -> None:
        self.peers["ann"] = await self.open()

    async def lose(self, step: Json) -> None:
        peer = self.peers.pop("ann")
        peer.socket.writer.transport.abort()

    async def restart(self, step: Json) -> None:
        await self.stop()
        await self.serve()

    async def say(self, step: Json) -> None:
        self.peers["ann"].say(complete(self.transcript.fill(step["client"])))

    async def hear(self, step: Json) -> None:
        wanted = list(step["server"] if isinstance(step["server"], list) else [step["server"]])
        while wanted:
            message = await self.peers["ann"].hear()
            found = next((each for each in wanted if self.transcript.matches(each, message)), None)
            if found is not None:
                wanted.remove(found)
            elif message["type"] not in self.transcript.ignored:
                self.transcript.match(wanted[0], message)
                raise Mismatch(message)

    async def peer(self, step: Json) -> None:
        name = step["peer"]
        if name not in self.peers:
            self.peers[name] = await self.open()
            id = str(uuid.uuid4())
            self.peers[name].say({"type": "hello", "version": "1.2", "messageId": id, "payload": {"user": name}})
            await self.peers[name].answer(id)
        message = complete(self.transcript.fill(step["sends"]) | {"sender": name})
        self.peers[name].say(message)
        self.transcript.match(step.get("gets", {}), await self.peers[name].answer(message["messageId"]))

    async def nothing(self, step: Json) -> None: ...


STEPS: dict[str, Callable[[Stage, Json], Awaitable[None]]] = {
    "client": Stage.say,
    "server": Stage.hear,
    "lost": Stage.lose,
    "connects": Stage.connect,
    "restart": Stage.restart,
    "peer": Stage.peer,
    "call": Stage.nothing,
    "result": Stage.nothing,
    "fails": Stage.nothing,
    "told": Stage.nothing,
}


def complete(message: Json) -> Json:
    """With the time that an application's message needs, and transcripts leave out."""
    extra: Json = {"timestamp": 1} if message["type"] in APPLICATION else {}
    return extra | message


@pytest.mark.parametrize("codec", ["json", "protobuf"])
@pytest.mark.parametrize("name", names("server"))
async def test_transcript(name: str, codec: str) -> None:
    async with asyncio.timeout(30):
        await Stage(Transcript(name), codec).play()

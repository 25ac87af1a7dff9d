"""The Python client says and tells what the golden transcripts have, in both codecs."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest

import hubbub
from hubbub.client.client import Client
from hubbub.client.options import ClientOptions
from hubbub.errors import ConnectionClosed, ProtocolError
from hubbub.protocol.catalog import Catalog
from hubbub.protocol.wire import SUBPROTOCOLS, Wire, profile_of
from hubbub.testing.loop import virtual
from tests.vectors.script import Json, Transcript, names

WIRE = Wire(Catalog(accept_unknown=True))
PATIENCE = 100.0


class Line:
    """The far end of one connection."""

    def __init__(self, url: str, codec: str, on_message: Any, on_closed: Any) -> None:
        self.url = url
        self.profile = profile_of(codec)
        self.heard: deque[Json] = deque()
        self.is_closed = False
        self._on_message = on_message
        self._on_closed = on_closed

    def send(self, data: bytes, *, is_text: bool) -> None:
        assert is_text is (self.profile.codec == "json")
        self.heard.append(msgspec.to_builtins(WIRE.decode(self.profile, data)))

    def say(self, message: Json) -> None:
        data = WIRE.body(self.profile, WIRE.json.convert(message))
        self._on_message(data.decode() if self.profile.codec == "json" else data)

    def close(self, code: int = 1000, reason: str = "") -> None:
        if not self.is_closed:
            self.is_closed = True
            self._on_closed(ConnectionClosed(code, reason))

    def abort(self) -> None:
        self.close(1006)

    async def wait_closed(self) -> None:
        assert self.is_closed

    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...


class Stage:
    """A client, and the transcript that it is to follow."""

    def __init__(self, transcript: Transcript, codec: str) -> None:
        self.transcript = transcript
        self.wires: list[Line] = []
        self.told: deque[tuple[str, Json]] = deque()
        self.calls: dict[str, asyncio.Task[Any]] = {}
        options = ClientOptions(user="ann", codec=codec, dial=self.dial, rng=random.Random(3), wall=lambda: 1)
        self.client = Client("ws://hub.test/ws", options)
        tell = self.told.append
        self.client.on("presence", lambda message: tell(("presence", plain(message.payload))))
        self.client.on("system", lambda message: tell(("system", plain(message.payload))))
        self.client.on("unsubscribed", lambda message: tell(("removed", {"channel": message.channel})))
        self.client.on("close", lambda error: error.code != 1000 and tell(("closed", {"code": error.code})))

    async def dial(self, url: str, *, subprotocol: str, on_message: Any, on_closed: Any, **_: Any) -> Line:
        wire = Line(url, SUBPROTOCOLS[subprotocol], on_message, on_closed)
        self.wires.append(wire)
        return wire

    async def play(self) -> None:
        for step in self.transcript.steps("python"):
            kind = next(key for key in step if key in STEPS)
            await STEPS[kind](self, step)
        await asyncio.sleep(1)
        assert list(self.told) == [], f"{self.transcript.name}: it was told more"
        await self.client.close()
        for task in self.calls.values():
            await asyncio.gather(task, return_exceptions=True)

    async def wire(self, step: Json) -> Line:
        await until(lambda: bool(self.wires), "no connection")
        return self.wires[step.get("on", -1)]

    async def hear(self, step: Json) -> None:
        wire = await self.wire(step)

        def said() -> bool:
            while wire.heard and wire.heard[0]["type"] == "ping" != step["client"]["type"]:
                wire.heard.popleft()
            return bool(wire.heard)

        await until(said, f"{self.transcript.name}: never said: {step}")
        self.transcript.match(step["client"], wire.heard.popleft())

    async def say(self, step: Json) -> None:
        wire = await self.wire(step)
        said = step["server"] if isinstance(step["server"], list) else [step["server"]]
        for message in said:
            wire.say(self.transcript.fill(message))
            await asyncio.sleep(0)

    async def lose(self, step: Json) -> None:
        (await self.wire(step)).close(step["lost"])

    async def connect(self, step: Json) -> None:
        open_wires = len(self.wires)
        if self.wires[-1].is_closed or isinstance(step["connects"], str):
            await until(lambda: len(self.wires) > open_wires, "no other connection")
        if isinstance(step["connects"], str):
            assert self.wires[-1].url == step["connects"]

    async def call(self, step: Json) -> None:
        work = self._work(self.transcript.fill(step))
        self.calls[step.get("as", "")] = asyncio.ensure_future(work)
        await asyncio.sleep(0)

    async def result(self, step: Json) -> None:
        async with asyncio.timeout(PATIENCE):
            value = await self.calls[step["result"]]
        if "value" in step:
            self.transcript.match(step["value"], value)

    async def fail(self, step: Json) -> None:
        with pytest.raises(ProtocolError) as caught:
            async with asyncio.timeout(PATIENCE):
                await self.calls[step["fails"]]
        self.transcript.match(step["code"], caught.value.code)

    async def hearsay(self, step: Json) -> None:
        await until(lambda: bool(self.told), f"{self.transcript.name}: never told: {step}")
        kind, value = self.told.popleft()
        assert kind == step["told"], value
        self.transcript.match(step["value"], value)

    async def nothing(self, step: Json) -> None: ...

    async def _work(self, step: Json) -> Any:
        client, channel = self.client, step.get("channel", "")
        match step["call"]:
            case "connect":
                await client.start(background=True)
            case "listen":
                await client.listen(channel, self._message, ack=step.get("ack", False), on_missed=self._missed)
            case "publish":
                return plain(
                    await client.publish(
                        channel,
                        step["payload"],
                        type=step["type"],
                        metadata=step.get("metadata"),
                        message_id=step["id"],
                    )
                )
            case "history":
                limits = {key: step[key] for key in ("after", "before", "limit") if key in step}
                return {"messages": [plain(message) for message in await client.history(channel, **limits)]}
            case "members":
                return {"members": await client.members(channel)}
            case "leave":
                await client.leave(channel)
            case "mute":
                await client.mute(channel, step["user"])
            case "refresh":
                await client.refresh(step["token"])
            case "ping":
                await client.ping()
        return None

    def _message(self, message: hubbub.Message) -> None:
        self.told.append(("message", plain(message)))

    def _missed(self, missed: hubbub.MessagesMissed) -> None:
        self.told.append(("missed", {"log": missed.log, "first": missed.first, "last": missed.last}))


STEPS: dict[str, Callable[[Stage, Json], Awaitable[None]]] = {
    "client": Stage.hear,
    "server": Stage.say,
    "lost": Stage.lose,
    "connects": Stage.connect,
    "call": Stage.call,
    "result": Stage.result,
    "fails": Stage.fail,
    "told": Stage.hearsay,
    "peer": Stage.nothing,
    "restart": Stage.nothing,
}


def plain(value: Any) -> Any:
    return msgspec.to_builtins(value)


async def until(condition: Callable[[], bool], problem: str) -> None:
    try:
        async with asyncio.timeout(PATIENCE):
            while not condition():
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(problem) from None


@pytest.mark.parametrize("codec", ["json", "protobuf"])
@pytest.mark.parametrize("name", names("python"))
@virtual
async def test_transcript(name: str, codec: str) -> None:
    await Stage(Transcript(name), codec).play()

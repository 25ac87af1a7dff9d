"""A hostile peer gets a numbered error or the close code of the RFC, and nobody else notices."""

import json
import zlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

import hubbub
from tests.sockets import RawSocket, application, serving, upgrade, ws

TEXT = application("text", "eve", "room:den", {"content": "hi"})


class Scene:
    """A rude peer and a bystander in one room."""

    def __init__(self, app: hubbub.Hubbub, rude: RawSocket, bystander: hubbub.Client, heard: Any) -> None:
        self.app = app
        self.rude = rude
        self.bystander = bystander
        self.heard = heard

    async def nobody_else_noticed(self) -> None:
        await self.bystander.publish("room:den", "still here")
        message = await anext(self.heard)
        assert message.payload.content == "still here"


@pytest_asyncio.fixture
async def scene() -> AsyncIterator[Scene]:
    async with serving() as app, hubbub.connect(ws(app), user="bystander") as bystander:
        heard = bystander.subscribe("room:den")
        await heard.begin()
        rude = await upgrade(app.url, Sec_WebSocket_Extensions="permessage-deflate")
        await rude.hello("eve")
        await rude.ask(application("command", "eve", "room:den", {"action": "join"}))
        try:
            yield Scene(app, rude, bystander, heard)
        finally:
            rude.close()


def nested(depth: int) -> str:
    return json.dumps(TEXT)[:-1] + ', "metadata": ' + '{"a":' * depth + "1" + "}" * depth + "}"


REFUSED: list[tuple[str, Any, str, str | None]] = [
    ("broken JSON", '{"type":', "invalid_json", None),
    ("no object", "[1]", "invalid_message", None),
    ("NaN", '{"type":"ping","payload":{"a":NaN}}', "invalid_json", None),
    ("lone surrogate", '{"type":"ping","payload":{"a":"\\ud800"}}', "invalid_message", "payload"),
    ("no type", "{}", "invalid_message", "type"),
    ("a type of another type", '{"type":7}', "invalid_message", "type"),
    ("unknown type", '{"type":"nonsense"}', "unknown_type", "type"),
    ("100,000 levels", "[" * 30_000, "invalid_message", None),
    ("17 levels", nested(17), "invalid_message", "metadata"),
    ("content over its bound", {**TEXT, "payload": {"content": "x" * 4097}}, "invalid_message", "payload.content"),
    ("wrong type within", {**TEXT, "payload": {"content": 7}}, "invalid_message", "payload.content"),
    ("no content", {**TEXT, "payload": {}}, "invalid_message", "payload.content"),
    ("huge integer", {**TEXT, "metadata": {"n": 2**53}}, "invalid_message", "metadata.n"),
    ("huge timestamp", {**TEXT, "timestamp": 253402300800000}, "invalid_message", "timestamp"),
    ("negative timestamp", {**TEXT, "timestamp": -1}, "invalid_message", "timestamp"),
    ("metadata over 4 KiB", {**TEXT, "metadata": {"a": "x" * 4089}}, "too_large", "metadata"),
    ("no UUID", {**TEXT, "messageId": "7"}, "invalid_message", "messageId"),
    ("empty sender", {**TEXT, "sender": ""}, "invalid_message", "sender"),
    ("someone else", {**TEXT, "sender": "bystander"}, "forbidden", "sender"),
    ("malformed version", {**TEXT, "version": "1"}, "invalid_message", "version"),
    ("no channel", {key: TEXT[key] for key in TEXT if key != "channel"}, "invalid_channel", "channel"),
    ("a channel of no kind", {**TEXT, "channel": "den"}, "invalid_channel", "channel"),
    ("a long channel", {**TEXT, "channel": "room:" + "x" * 256}, "invalid_channel", "channel"),
    ("a pattern", {**TEXT, "channel": "topic:a.*"}, "invalid_channel", "channel"),
    ("a bad action", application("command", "eve", "room:den", {"action": "fly"}), "invalid_message", "payload.action"),
]


@pytest.mark.parametrize(("message", "code", "field"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
async def test_refused_with_a_number_and_the_field(scene: Scene, message: Any, code: str, field: str | None) -> None:
    answer = await scene.rude.ask(message)
    assert (answer["type"], answer["code"]) == ("error", code)
    assert answer["payload"]["number"] == hubbub.ProtocolError.NUMBERS[code]
    if field is not None:
        assert answer["payload"]["field"].startswith(field)
    if isinstance(message, dict) and code != "invalid_message":
        assert answer["messageId"] == message["messageId"]
    assert "Traceback" not in json.dumps(answer)
    assert (await scene.rude.ask({"type": "ping"}))["type"] == "pong"
    await scene.nobody_else_noticed()


@pytest.mark.parametrize(
    "message",
    [
        {**TEXT, "payload": {"content": "x" * 4096}},
        {**TEXT, "metadata": {"a": "x" * 4088}},
        {**TEXT, "metadata": {"n": 2**53 - 1}},
        {**TEXT, "unknown": {"a": [1]}, "payload": {"content": "", "unknown": 2**70}},
        json.dumps(TEXT)[:-1] + ', "type": "text", "sender": "x", "sender": "eve"}',
        nested(15),
    ],
    ids=["content", "metadata", "integer", "unknown fields", "the last of duplicate keys", "16 levels"],
)
async def test_accepted_at_its_bound(scene: Scene, message: Any) -> None:
    scene.rude.send(message)
    assert {(await scene.rude.receive())["type"] for _ in range(2)} == {"ack", "text"}


def violate(name: str, rude: RawSocket) -> int:
    """Breaks a rule of the RFC; returns the close code that it has to be answered with."""
    ping = b'{"type":"ping"}'
    packer = zlib.compressobj(wbits=-15)
    bomb = packer.compress(b" " * 70_000) + packer.flush(zlib.Z_SYNC_FLUSH)
    match name:
        case "64 KiB + 1":
            rude.send_frame(1, b" " * 65537)
            return 1009
        case "64 KiB + 1 in fragments":
            rude.send_frame(1, b" " * 40_000, fin=False)
            rude.send_frame(0, b" " * 25_537)
            return 1009
        case "a bomb":
            rude.send_frame(1, bomb[:-4], rsv=4)
            return 1009
        case "no deflate stream":
            rude.send_frame(1, b"\xff\xff\xff\xff", rsv=4)
            return 1007
        case "binary on JSON":
            rude.send_frame(2, ping)
            return 1003
        case "invalid UTF-8":
            rude.send_frame(1, b'{"type":"\xff"}')
            return 1007
        case "a continuation of nothing":
            rude.send_frame(0, ping)
            return 1002
        case "a message inside a message":
            rude.send_frame(1, b"{", fin=False)
            rude.send_frame(1, ping)
            return 1002
        case "a reserved bit":
            rude.send_frame(1, ping, rsv=2)
            return 1002
        case "a reserved opcode":
            rude.send_frame(3, ping)
            return 1002
    raise AssertionError(name)


@pytest.mark.parametrize(
    "name",
    [
        "64 KiB + 1",
        "64 KiB + 1 in fragments",
        "a bomb",
        "no deflate stream",
        "binary on JSON",
        "invalid UTF-8",
        "a continuation of nothing",
        "a message inside a message",
        "a reserved bit",
        "a reserved opcode",
    ],
)
async def test_violations_close_with_the_code_of_the_rfc(scene: Scene, name: str) -> None:
    expected = violate(name, scene.rude)
    assert await scene.rude.closing() == expected
    await scene.nobody_else_noticed()


async def test_64_kib_exactly_is_a_message(scene: Scene) -> None:
    text = json.dumps({"type": "ping"})
    assert (await scene.rude.ask(text + " " * (65536 - len(text))))["type"] == "pong"
    whole = text.encode() + b" " * (65536 - len(text))
    scene.rude.send_frame(1, whole[:30_000], fin=False)
    scene.rude.send_frame(0, whole[30_000:])
    assert (await scene.rude.receive())["type"] == "pong"


async def test_text_on_protobuf_closes_with_1003() -> None:
    async with serving() as app:
        socket = await upgrade(app.url, protocol="hubbub.protobuf")
        socket.send("{}")
        assert await socket.closing() == 1003
        socket.close()


async def test_garbage_on_protobuf_is_an_invalid_message() -> None:
    async with serving() as app:
        socket = await upgrade(app.url, protocol="hubbub.protobuf")
        socket.send_frame(2, b"\xff" * 50)
        opcode, payload, _ = await socket.frame()
        assert opcode == 2
        assert b"invalid_message" in payload
        socket.close()

import json
import zlib

import pytest

import hubbub
from hubbub.protocol.schema import proto_text
from tests.sockets import application, get, serving, upgrade, ws


async def test_subprotocols() -> None:
    async with serving() as app:
        for offered, chosen in (
            (None, None),
            ("hubbub.json", "hubbub.json"),
            ("x, hubbub.protobuf", "hubbub.protobuf"),
        ):
            socket = await upgrade(app.url, protocol=offered)
            assert (socket.status, socket.header("Sec-WebSocket-Protocol")) == (101, chosen)
            socket.close()
        socket = await upgrade(app.url, protocol="graphql-ws")
        assert socket.status == 400
        socket.close()


async def test_firefox_sends_a_list() -> None:
    async with serving() as app:
        socket = await upgrade(app.url, Connection="keep-alive, Upgrade")
        assert socket.status == 101
        socket.close()


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("SELF", 101),
        ("https://friend.example", 101),
        ("https://evil.example", 403),
        ("null", 403),
        ("https://friend.example.evil.example", 403),
    ],
)
async def test_pages_of_other_origins_stay_out(origin: str, status: int) -> None:
    async with serving(origins=("https://friend.example",)) as app:
        socket = await upgrade(app.url, Origin=app.url if origin == "SELF" else origin)
        assert socket.status == status
        socket.close()


@pytest.mark.parametrize(
    ("offer", "accepted"),
    [
        ("permessage-deflate", True),
        ("permessage-deflate; client_max_window_bits", True),
        ("permessage-deflate; server_max_window_bits=10", False),
        ("permessage-deflate; server_max_window_bits=10, permessage-deflate", True),
        ("x-webkit-deflate-frame", False),
    ],
)
async def test_compression_is_negotiated(offer: str, accepted: bool) -> None:
    async with serving() as app:
        socket = await upgrade(app.url, Sec_WebSocket_Extensions=offer)
        answer = socket.header("Sec-WebSocket-Extensions")
        assert (answer is not None) is accepted
        if answer:
            assert "server_no_context_takeover" in answer
        socket.close()


async def test_a_compressed_frame_and_a_plain_one_of_the_same_message() -> None:
    async with serving() as app:
        small = await upgrade(app.url, Sec_WebSocket_Extensions="permessage-deflate")
        plain = await upgrade(app.url)
        for name, socket in (("small", small), ("plain", plain)):
            await socket.hello(name)
            await socket.ask(application("command", name, "room:den", {"action": "join"}))
        await small.receive()
        plain.send(application("text", "plain", "room:den", {"content": "x" * 1000}))
        opcode, payload, compressed = await small.frame()
        assert (opcode, compressed, len(payload) < 300) == (1, True, True)
        inflated = zlib.decompressobj(wbits=-15).decompress(payload + b"\0\0\xff\xff")
        received = [await plain.frame(), await plain.frame()]
        assert (1, inflated, False) in received
        small.close(), plain.close()


async def test_http_on_the_same_port() -> None:
    async with serving() as app:
        assert (await get(app.url, "/health"))[:2] == (200, "application/json")
        status, _, body = await get(app.url, "/hubbub.proto")
        assert (status, body) == (200, proto_text())
        status, kind, body = await get(app.url, "/schema.json")
        assert (status, kind) == (200, "application/schema+json")
        assert '"WebSocketMessage"' in body
        status, kind, body = await get(app.url, "/asyncapi.json")
        assert (status, kind) == (200, "application/vnd.aai.asyncapi+json")
        assert json.loads(body)["asyncapi"] == "3.0.0"
        assert (await get(app.url, "/"))[0] == 200
        for path in ("/nothing", "/../config.py", "/%2e%2e/config.py", "/assets/../../../config.py"):
            assert (await get(app.url, path))[0] == 404
        assert (await get(app.url, "/ws"))[0] == 426
        assert (await get(app.url, "/health", "POST"))[0] == 400


async def test_registered_types_stand_in_the_schema() -> None:
    app = hubbub.Hubbub(port=0, anonymous=True)

    @app.message("move")
    class Move(hubbub.Position.__base__):  # type: ignore[misc,name-defined]
        x: int

    async with serving(app):
        assert '"move"' in (await get(app.url, "/schema.json"))[2]
        async with hubbub.connect(ws(app), user="a") as client:
            with pytest.raises(hubbub.BadMessage) as raised:
                await client.publish("topic:a.b", {"x": "no number"}, type="move")
            assert raised.value.field == "payload.x"

"""A WebSocket by hand, so that tests can be as rude as a peer can be; and servers for them."""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import uuid
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from hubbub import Hubbub


class RawSocket:
    """Frames in and out; nothing is checked."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: str) -> None:
        self.reader = reader
        self.writer = writer
        self.head = head

    @property
    def status(self) -> int:
        return int(self.head.split()[1])

    def header(self, name: str) -> str | None:
        for line in self.head.split("\r\n")[1:]:
            key, _, value = line.partition(":")
            if key.lower() == name.lower():
                return value.strip()
        return None

    def send_frame(self, opcode: int, payload: bytes, *, fin: bool = True, rsv: int = 0) -> None:
        mask = os.urandom(4)
        size = len(payload)
        head = bytes([(0x80 if fin else 0) | rsv << 4 | opcode])
        if size < 126:
            head += bytes([0x80 | size])
        elif size < 65536:
            head += bytes([0x80 | 126]) + size.to_bytes(2, "big")
        else:
            head += bytes([0x80 | 127]) + size.to_bytes(8, "big")
        key = int.from_bytes((mask * (size // 4 + 1))[:size], "big")
        self.writer.write(head + mask + (int.from_bytes(payload, "big") ^ key).to_bytes(size, "big"))

    def send(self, value: Any) -> None:
        text = value if isinstance(value, str) else json.dumps(value)
        self.send_frame(1, text.encode())

    async def frame(self) -> tuple[int, bytes, bool]:
        """Opcode, payload and whether it is compressed."""
        async with asyncio.timeout(10):
            first, second = await self.reader.readexactly(2)
            size = second & 127
            if size == 126:
                size = int.from_bytes(await self.reader.readexactly(2), "big")
            elif size == 127:
                size = int.from_bytes(await self.reader.readexactly(8), "big")
            return first & 15, await self.reader.readexactly(size), bool(first & 0x40)

    async def receive(self) -> dict[str, Any]:
        """The next JSON message; pings are skipped."""
        while True:
            opcode, payload, compressed = await self.frame()
            if compressed:
                payload = zlib.decompressobj(wbits=-15).decompress(payload + b"\0\0\xff\xff")
            if opcode == 1:
                return dict(json.loads(payload))
            assert opcode == 9, (opcode, payload)

    async def closing(self) -> int:
        """The code of the close frame, which comes next but for messages."""
        while True:
            opcode, payload, _ = await self.frame()
            if opcode == 8:
                return int.from_bytes(payload[:2], "big")

    async def ask(self, value: dict[str, Any] | str) -> dict[str, Any]:
        self.send(value)
        return await self.receive()

    async def hello(self, user: str, version: str = "1.2") -> dict[str, Any]:
        welcome = await self.ask({"type": "hello", "version": version, "payload": {"user": user}})
        assert welcome["type"] == "welcome", welcome
        return welcome

    def close(self) -> None:
        self.writer.close()


def application(type: str, sender: str, channel: str | None, payload: Any, **more: Any) -> dict[str, Any]:
    value = {"type": type, "messageId": str(uuid.uuid4()), "timestamp": 1, "sender": sender, "payload": payload}
    if channel is not None:
        value["channel"] = channel
    return {**value, **more}


async def upgrade(
    url: str,
    *,
    path: str = "/ws",
    protocol: str | None = None,
    source: str | None = None,
    tls: ssl.SSLContext | None = None,
    **headers: str,
) -> RawSocket:
    """`source` is the address to come from."""
    host, _, port = url.removeprefix("http://").partition(":")
    local = None if source is None else (source, 0)
    reader, writer = await asyncio.open_connection(host, int(port), local_addr=local, ssl=tls)
    lines = {
        "Host": f"{host}:{port}",
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    if protocol is not None:
        lines["Sec-WebSocket-Protocol"] = protocol
    lines.update({name.replace("_", "-"): value for name, value in headers.items()})
    request = "\r\n".join(f"{name}: {value}" for name, value in lines.items() if value)
    writer.write(f"GET {path} HTTP/1.1\r\n{request}\r\n\r\n".encode())
    async with asyncio.timeout(10):
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
    return RawSocket(reader, writer, head)


async def status_of(url: str, **how: Any) -> int:
    """The status that an upgrade is answered with; hangs up."""
    socket = await upgrade(url, **how)
    socket.close()
    return socket.status


async def get(url: str, path: str, method: str = "GET") -> tuple[int, str, str]:
    """Status, content type, body."""
    host, _, port = url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
    async with asyncio.timeout(10):
        head, _, body = (await reader.read()).decode().partition("\r\n\r\n")
    writer.close()
    await writer.wait_closed()
    kinds = [line.partition(":")[2].strip() for line in head.split("\r\n") if line.lower().startswith("content-type")]
    return int(head.split()[1]), (kinds or [""])[0], body


@asynccontextmanager
async def serving(app: Hubbub | None = None, **settings: Any) -> AsyncIterator[Hubbub]:
    settings.setdefault("anonymous", True)
    app = app or Hubbub(port=0, **settings)
    async with app.serve():
        yield app


def ws(app: Hubbub) -> str:
    return f"ws{app.url.removeprefix('http')}/ws"

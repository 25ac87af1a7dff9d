"""Somebody who types in a document, and knows how late what others typed arrives."""

from __future__ import annotations

import asyncio
import random
import time
from contextlib import suppress
from typing import Any

import msgspec

from hubbub.client.options import ClientOptions

EDITS_A_SECOND = 5.0

UNUSED: list[float] = []
"""For who does not measure."""


class Typist:
    """Types at a pace of its own, on a bare socket: it keeps no text, only its length.

    What it inserts carries the moment of the key, so that whoever sees it knows how long that took.
    """

    def __init__(self, name: str, document: str, late: list[float]) -> None:
        self._name = name
        self._channel = f"doc:{document}"
        self._late = late
        self._decode = msgspec.json.decode
        self._length = self._revision = self._seq = 0
        self._waiting: list[float] = []
        self._in_flight = 0
        self._open = asyncio.get_running_loop().create_future()
        self.received = 0

    async def connect(self, url: str) -> None:
        self._socket = await ClientOptions().dial(
            url,
            subprotocol="hubbub.json",
            token=None,
            compression=False,
            on_message=self._message,
            on_closed=lambda reason: None,
        )
        self._say({"type": "hello", "version": "1.2", "payload": {"user": self._name}})
        self._say({"type": "join", "channel": self._channel})
        await self._open

    async def type(self, seconds: float, rng: random.Random) -> None:
        end = time.perf_counter() + seconds
        await asyncio.sleep(rng.random() / EDITS_A_SECOND)
        while time.perf_counter() < end:
            self._waiting.append(time.perf_counter())
            self._send()
            await asyncio.sleep(rng.uniform(0.5, 1.5) / EDITS_A_SECOND)

    def close(self) -> None:
        self._socket.close()

    def _send(self) -> None:
        """The keys that were not sent yet, unless an operation is in flight."""
        if self._in_flight or not self._waiting:
            return
        typed = "".join(f"{moment:.4f};" for moment in self._waiting)
        self._waiting.clear()
        self._in_flight = len(typed)
        self._seq += 1
        parts: list[Any] = [self._length] if self._length else []
        payload = {"operation": [*parts, [0, typed]], "revision": self._revision, "seq": self._seq}
        self._say({"type": "operation", "channel": self._channel, "payload": payload})

    def _message(self, data: str | bytes) -> None:
        message = self._decode(data)
        kind = message["type"]
        if kind == "operations":
            self._operations(message["payload"]["operations"])
        elif kind == "init":
            document = message["payload"]["document"]
            self._length, self._revision = len(document["content"]), document["revision"]
            self._open.set_result(None)
        elif kind == "error":
            raise AssertionError(message)

    def _operations(self, entries: list[Any]) -> None:
        now = time.perf_counter()
        for entry in entries:
            self._revision = entry["revision"]
            operation = entry.get("operation")
            if operation is None:
                self._length += self._in_flight
                self._in_flight = 0
                continue
            self.received += 1
            typed = next(part[1] for part in operation if isinstance(part, list))
            self._length += len(typed)
            if self._late is not UNUSED:
                with suppress(ValueError):
                    self._late.extend(now - float(moment) for moment in typed.split(";") if moment)
        self._send()

    def _say(self, message: Any) -> None:
        self._socket.send(msgspec.json.encode(message), is_text=True)

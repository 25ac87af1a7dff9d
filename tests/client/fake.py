"""A hub in memory, as obedient or as bad as a test wants it: `dial` connects a real client to it."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import hubbub
from hubbub.errors import ConnectionClosed
from tests.waiting import until

Json = dict[str, Any]

EPOCH = "e1"


class FakeSocket:
    """The client's end; `say` and `drop` are the server's."""

    def __init__(
        self,
        hub: FakeHub,
        token: str | None,
        on_message: Callable[[str | bytes], None],
        on_closed: Callable[[ConnectionClosed], None],
    ) -> None:
        self.hub = hub
        self.token = token
        self._on_message = on_message
        self._on_closed = on_closed
        self._closed = asyncio.Event()
        self._unread: list[Json] = []
        self.is_paused = False
        self.heard: list[Json] = []

    @property
    def is_closed(self) -> bool:
        return self._closed.is_set()

    # --- The client's end ------------------------------------------------------------------------------

    def send(self, data: bytes, *, is_text: bool) -> None:
        assert is_text
        if not self.is_closed:
            asyncio.get_running_loop().call_later(self.hub.latency, self._hear, json.loads(data))

    def close(self, code: int = 1000, reason: str = "") -> None:
        self.drop(code, reason)

    def abort(self) -> None:
        self.drop(1006)

    async def wait_closed(self) -> None:
        await self._closed.wait()

    def pause_reading(self) -> None:
        assert not self.is_paused
        self.is_paused = True

    def resume_reading(self) -> None:
        assert self.is_paused
        self.is_paused = False
        unread, self._unread = self._unread, []
        for message in unread:
            self._arrive(message)

    # --- The server's end ------------------------------------------------------------------------------

    def say(self, message: Json) -> None:
        asyncio.get_running_loop().call_later(self.hub.latency, self._arrive, message)

    def drop(self, code: int = 1006, reason: str = "") -> None:
        if not self.is_closed:
            self._closed.set()
            self._on_closed(ConnectionClosed(code, reason))

    def _hear(self, message: Json) -> None:
        if not self.is_closed and not self.hub.is_silent:
            self.heard.append(message)
            self.hub.hear(self, message)

    def _arrive(self, message: Json) -> None:
        if self.is_closed or self.hub.is_silent:
            return
        if self.is_paused:
            self._unread.append(message)
        else:
            self._on_message(json.dumps(message))


class FakeHub:
    """Lets everyone in, acknowledges everything, and remembers all it heard. Its attributes say what it refuses."""

    def __init__(self) -> None:
        self.sockets: list[FakeSocket] = []
        self.dials: list[float] = []
        self.latency = 0.001
        self.is_down = False
        self.refusal: Exception = ConnectionRefusedError("nobody is there")
        """What is raised while it is down."""
        self.is_silent = False
        """A half-open connection: nothing comes through, nobody says so."""
        self.acknowledges = True
        self.answers: dict[str, Callable[[FakeSocket, Json], Json | None]] = {}
        """By type, or by action of a command: what to say instead of what it would say."""
        self.session = 0
        self.is_lost = False
        """Whether it knows no session any more."""
        self.offsets: dict[str, int] = {"all": 0}
        self.epochs: dict[str, str] = {}
        self.restored: Json = {}
        """What `session_restored` says, by log."""
        self.ids: dict[str, int] = {}
        """Where each message id stands."""

    async def dial(self, url: str, **options: Any) -> FakeSocket:
        self.dials.append(asyncio.get_running_loop().time())
        await asyncio.sleep(self.latency)
        if self.is_down:
            raise self.refusal
        socket = FakeSocket(self, options["token"], options["on_message"], options["on_closed"])
        self.sockets.append(socket)
        return socket

    @property
    def socket(self) -> FakeSocket:
        """The newest connection."""
        return self.sockets[-1]

    def heard(self, kind: str | None = None) -> list[Json]:
        """What came over all connections, but for pings; of a type, or the commands of an action."""
        found = [message for socket in self.sockets for message in socket.heard]
        if kind is None:
            return [message for message in found if message["type"] != "ping"]
        return [message for message in found if kind_of(message) == kind]

    def texts(self) -> list[str]:
        return [message["payload"]["content"] for message in self.heard("text")]

    def deliver(self, channel: str, offset: int, content: str | None = None, **more: Any) -> None:
        """One message of a log."""
        value = {
            "type": "text",
            "messageId": f"00000000-0000-4000-9000-{offset:012d}",
            "timestamp": 1,
            "sender": "bob",
            "channel": channel,
            "payload": {"content": content or str(offset)},
        }
        self.socket.say({**value, "offset": offset, **more})

    def place(self, channel: str) -> Json:
        log = log_of(channel)
        return {"epoch": self.epochs.get(log, EPOCH), "offset": self.offsets.get(log, 0)}

    def hear(self, socket: FakeSocket, message: Json) -> None:
        kind = kind_of(message)
        answer = self.answers.get(kind, self._answer)(socket, message)
        if answer is not None:
            if "messageId" in message:
                answer.setdefault("messageId", message["messageId"])
            socket.say(answer)

    def _answer(self, socket: FakeSocket, message: Json) -> Json | None:
        kind = kind_of(message)
        if kind == "hello":
            return self._welcome()
        if kind == "restore_session":
            return self._restored(message)
        if kind == "ping":
            return {"type": "pong"}
        if kind in ("join", "subscribe"):
            details = {**self.place(message["channel"]), "recovered": True}
            return {"type": "ack", "channel": message["channel"], "payload": details}
        if kind == "history":
            return {"type": "history", "messages": []}
        if kind == "presence":
            return {"type": "presence", "channel": message["channel"], "payload": {"count": 1, "members": ["ann"]}}
        if kind == "text":
            return self._publish(message)
        return None if kind == "ack" else {"type": "ack"}

    def _welcome(self) -> Json:
        self.session += 1
        self.is_lost = False
        return {
            "type": "welcome",
            "sessionId": f"s{self.session}",
            "connectionId": f"c{len(self.sockets)}",
            "version": "1.2",
            "payload": {
                "user": "ann",
                "node": "n",
                "heartbeat_ms": 25000,
                "limits": {},
                "positions": {"all": self.place("all")},
            },
        }

    def _restored(self, message: Json) -> Json:
        if self.is_lost or message["sessionId"] != f"s{self.session}":
            return error("session_expired")
        positions = message["payload"].get("positions", {})
        channels = {log: {"recovered": True, **position} for log, position in positions.items()}
        channels.update(self.restored)
        channels = {log: found for log, found in channels.items() if found is not None}
        return {
            "type": "session_restored",
            "sessionId": message["sessionId"],
            "connectionId": f"c{len(self.sockets)}",
            "payload": {"channels": channels},
        }

    def _publish(self, message: Json) -> Json | None:
        log = log_of(message["channel"])
        if message["messageId"] not in self.ids:
            self.offsets[log] = self.offsets.get(log, 0) + 1
            self.ids[message["messageId"]] = self.offsets[log]
        if not self.acknowledges:
            return None
        place = {**self.place(message["channel"]), "offset": self.ids[message["messageId"]]}
        return {"type": "ack", "channel": message["channel"], **place}


def kind_of(message: Json) -> str:
    return str(message["payload"]["action"] if message["type"] == "command" else message["type"])


def log_of(channel: str) -> str:
    return channel.partition(".")[0]


def error(code: str, **details: Any) -> Json:
    return {"type": "error", "code": code, "reason": "because", "payload": {"number": 0, **details}}


def refusing(code: str, **details: Any) -> Callable[[FakeSocket, Json], Json]:
    return lambda socket, message: error(code, **details)


@asynccontextmanager
async def client_of(hub: FakeHub, *, background: bool = False, **options: Any) -> AsyncIterator[hubbub.Client]:
    options = {"user": "ann", "dial": hub.dial, "rng": random.Random(7), "wall": lambda: 1_000_000, **options}
    async with hubbub.connect("ws://hub/ws", background=background, **options) as client:
        yield client


async def contents(subscription: hubbub.Subscription, count: int) -> list[str]:
    return [(await anext(subscription)).payload.content for _ in range(count)]


async def lose(hub: FakeHub, client: hubbub.Client) -> None:
    """The connection is cut, and the client is back."""
    sockets = len(hub.sockets)
    hub.socket.drop()
    await until(lambda: len(hub.sockets) > sockets and client.state.phase == "connected")

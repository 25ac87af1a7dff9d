"""A hub with a log in memory, a virtual clock and recording transports: no socket, no loop."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from typing import Any

from hubbub.app.stores import retention_of
from hubbub.backends.memory.log import MemoryLog
from hubbub.config import Settings
from hubbub.hub.connection import Connection
from hubbub.hub.hub import Hub
from hubbub.hub.session import digest_of
from hubbub.hub.users import User
from hubbub.node.journal import LogJournal
from hubbub.protocol.catalog import Catalog
from hubbub.protocol.messages import Message
from hubbub.protocol.payloads import Position
from hubbub.protocol.versions import HIGHEST, ProtocolVersion
from hubbub.protocol.wire import Wire, profile_of
from hubbub.testing.clock import VirtualClock
from hubbub.testing.transport import RecordingTransport


class Peer:
    """One client of the hub under test. Every action ends with the hub's turn."""

    def __init__(self, world: World, connection: Connection, transport: RecordingTransport) -> None:
        self.world = world
        self.session_id = ""
        self.connection = connection
        self.transport = transport

    @property
    def user(self) -> str:
        assert self.connection.session is not None
        return self.connection.session.user.name

    def say(self, type: str, *, verdict: bool | None = None, **fields: Any) -> list[Message]:
        """Sends a message; returns everything that came back or in by then."""
        value: dict[str, Any] = {"type": type, "messageId": str(uuid.uuid4()), **fields}
        if self.world.wire.catalog.is_application(type):
            value = {"timestamp": 1, "sender": self.user, **value}
        self.world.hub.receive(self.connection, self.world.wire.json.convert(value), verdict)
        return self.take()

    def text(self, channel: str, content: str, **fields: Any) -> list[Message]:
        return self.say("text", channel=channel, payload={"content": content}, **fields)

    def join(self, room: str, **payload: Any) -> Message:
        return self.command("join", room, **payload)[0]

    def command(self, action: str, room: str, verdict: bool | None = None, **payload: Any) -> list[Message]:
        fields = {"channel": f"room:{room}", "payload": {"action": action, **payload}}
        return self.say("command", verdict=verdict, **fields)

    def subscribe(self, topic: str, **payload: Any) -> Message:
        return self.say("subscribe", channel=f"topic:{topic}", payload=payload)[0]

    def take(self) -> list[Message]:
        self.world.settle()
        return self.transport.take(self.world.wire, self.connection.profile)

    def contents(self) -> list[str]:
        """The texts that came since the last look."""
        return [message.payload.content for message in self.take() if message.type == "text"]

    def pause(self) -> None:
        self.world.hub.pause(self.connection)

    def resume(self) -> None:
        self.world.hub.resume(self.connection)
        self.world.settle()

    def leave(self) -> None:
        self.world.hub.disconnect(self.connection)
        self.world.settle()


class World:
    def __init__(self, catalog: Catalog | None = None, **settings: Any) -> None:
        settings.setdefault("anonymous", True)
        self.clock = VirtualClock()
        self.settings = Settings(**settings)
        self.wire = Wire(catalog or Catalog())
        self.turns = 0
        self.hub = Hub(self.settings, self.wire, self._wake, clock=self.clock, wall=self.clock.wall_ms)
        self.store = MemoryLog(
            retention=retention_of(self.settings), memory=self.settings.memory_limit, clock=self.clock
        )
        self.hub.journal = LogJournal(self.hub, self.store)

    def _wake(self) -> None:
        self.turns += 1

    def wait(self, seconds: float, *, pongs: bool = True) -> None:
        """Lets time pass as a node does: a sweep a second. Peers answer pings at once, if they do."""
        while seconds > 0:
            self.clock.advance(min(1.0, seconds))
            seconds -= 1
            self.hub.sweep()
            for connection in self.hub.connections.values():
                if pongs:
                    self.hub.watch.ponged(connection)
            self.settle()

    def settle(self) -> None:
        """Turns, until none is asked for."""
        while self.turns:
            self.turns = 0
            self.hub.turn()

    def connect(self, user: str, *, codec: str = "json", version: ProtocolVersion = HIGHEST, **attributes: Any) -> Peer:
        transport = RecordingTransport()
        profile = profile_of(codec, version)
        connection = self.hub.connect(transport, profile)
        groups = frozenset(attributes.pop("groups", ()))
        expires = attributes.pop("expires_at", None)
        self.hub.welcome(connection, User(user, attributes, groups, expires_at=expires), profile, {})
        peer = Peer(self, connection, transport)
        (welcome,) = peer.take()
        assert welcome.type == "welcome"
        peer.session_id = welcome.session_id
        return peer

    def restore(self, old: Peer, *, forbidden: Collection[str] = (), **positions: Position) -> Peer:
        """The session of this peer comes back over a new connection; `positions` by log, `_` for `:`."""
        transport = RecordingTransport()
        profile = old.connection.profile
        connection = self.hub.connect(transport, profile)
        session = self.hub.sessions.find(digest_of(old.session_id))
        assert session is not None
        named = {log.replace("_", ":"): position for log, position in positions.items()}
        self.hub.restore(connection, session, profile, id=old.session_id, positions=named, forbidden=forbidden)
        peer = Peer(self, connection, transport)
        peer.session_id = old.session_id
        return peer


def error(messages: list[Message]) -> str:
    """The code of the one error among them."""
    codes = [message.code for message in messages if message.type == "error"]
    assert len(codes) == 1, messages
    return str(codes[0])

"""Who is where, and which workers there are, as the broker knows it; and messages between the workers."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

import msgspec

from hubbub.backends.broker.frames import Posted
from hubbub.backends.broker.link import BrokerLink
from hubbub.ports import Joined, Lease, Left, Members, NodeRecord

log = logging.getLogger("hubbub.broker")

_decode_bool = msgspec.msgpack.Decoder(bool).decode
_decode_none = msgspec.msgpack.Decoder(None).decode
_decode_names = msgspec.msgpack.Decoder(list[str]).decode
_decode_joined = msgspec.msgpack.Decoder(Joined | None).decode
_decode_left = msgspec.msgpack.Decoder(Left).decode
_decode_departures = msgspec.msgpack.Decoder(list[Left]).decode
_decode_members = msgspec.msgpack.Decoder(Members).decode
_decode_nodes = msgspec.msgpack.Decoder(list[NodeRecord]).decode
_decode_lease = msgspec.msgpack.Decoder(Lease | None).decode


class BrokerPresence:
    """Implements `Presence`."""

    def __init__(self, link: BrokerLink) -> None:
        self._link = link

    async def join(self, space: str, user: str, session: str, node: str, *, limit: int | None = None) -> Joined | None:
        return await self._link.ask("presence.join", (space, user, session, node, limit), _decode_joined)

    async def leave(self, space: str, user: str, session: str, node: str) -> Left:
        return await self._link.ask("presence.leave", (space, user, session, node), _decode_left)

    async def members(self, space: str, limit: int) -> Members:
        return await self._link.ask("presence.members", (space, limit), _decode_members)

    async def drop(self, node: str) -> Sequence[Left]:
        return await self._link.ask("presence.drop", (node,), _decode_departures)

    async def holders(self) -> Sequence[str]:
        return await self._link.ask("presence.holders", (), _decode_names)

    def close(self) -> None:
        """The other workers go on with it."""


class BrokerRegistry:
    """Implements `Registry`."""

    def __init__(self, link: BrokerLink) -> None:
        self._link = link

    async def announce(self, record: NodeRecord, ttl: float) -> bool:
        return await self._link.ask("registry.announce", (record, ttl), _decode_bool)

    async def withdraw(self, name: str, run: str) -> None:
        await self._link.ask("registry.withdraw", (name, run), _decode_none)

    async def nodes(self) -> Sequence[NodeRecord]:
        return await self._link.ask("registry.nodes", (), _decode_nodes)

    async def lease(self, name: str, holder: str, ttl: float) -> Lease | None:
        return await self._link.ask("registry.lease", (name, holder, ttl), _decode_lease)

    async def release(self, lease: Lease) -> None:
        await self._link.ask("registry.release", (lease,), _decode_none)

    def close(self) -> None:
        """The other workers go on with it."""


class BrokerMailbox:
    """Implements `Mailbox`."""

    def __init__(self, link: BrokerLink) -> None:
        self._link = link
        self._receivers: dict[str, Callable[[bytes], None]] = {}
        link.on_posted = self._posted

    async def open(self, topic: str, receive: Callable[[bytes], None]) -> None:
        self._receivers[topic] = receive
        await self._link.ask("mailbox.open", (topic,), _decode_none)

    def leave(self, topic: str) -> None:
        if self._receivers.pop(topic, None) is not None:
            self._link.tell("mailbox.leave", (topic,))

    def send(self, topic: str, message: bytes) -> None:
        self._link.tell("mailbox.send", (topic, message))

    def close(self) -> None:
        for topic in tuple(self._receivers):
            self.leave(topic)

    def _posted(self, event: Posted) -> None:
        receive = self._receivers.get(event.topic)
        if receive is None:
            return
        try:
            receive(event.message)
        except Exception:
            log.exception("a message of %s was not taken", event.topic)

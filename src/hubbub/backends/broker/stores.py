"""The broker's sessions, facts and snapshots, as a worker has them."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from hubbub.backends.broker.link import BrokerLink
from hubbub.ports import SavedSnapshot, SessionRecord, Snapshot

_decode_bool = msgspec.msgpack.Decoder(bool).decode
_decode_none = msgspec.msgpack.Decoder(None).decode
_decode_names = msgspec.msgpack.Decoder(list[str]).decode
_decode_value = msgspec.msgpack.Decoder(bytes | None).decode
_decode_record = msgspec.msgpack.Decoder(SessionRecord | None).decode
_decode_snapshot = msgspec.msgpack.Decoder(Snapshot | None).decode
_decode_saved = msgspec.msgpack.Decoder(list[SavedSnapshot]).decode
_decode_records = msgspec.msgpack.Decoder(list[SessionRecord]).decode


class BrokerSessions:
    """Implements `Sessions`."""

    def __init__(self, link: BrokerLink) -> None:
        self._link = link

    async def save(self, record: SessionRecord) -> bool:
        return await self._link.ask("sessions.save", (record,), _decode_bool)

    async def load(self, digest: str) -> SessionRecord | None:
        return await self._link.ask("sessions.load", (digest,), _decode_record)

    async def delete(self, digest: str) -> None:
        await self._link.ask("sessions.delete", (digest,), _decode_none)

    async def of_user(self, user: str) -> Sequence[SessionRecord]:
        return await self._link.ask("sessions.of_user", (user,), _decode_records)

    async def of_connection(self, connection: str) -> SessionRecord | None:
        return await self._link.ask("sessions.of_connection", (connection,), _decode_record)

    def close(self) -> None:
        """The other workers go on with them."""


class BrokerDirectory:
    """Implements `Directory`."""

    def __init__(self, link: BrokerLink) -> None:
        self._link = link

    async def get(self, name: str) -> bytes | None:
        return await self._link.ask("directory.get", (name,), _decode_value)

    async def put(self, name: str, value: bytes) -> None:
        await self._link.ask("directory.put", (name, value), _decode_none)

    async def create(self, name: str, value: bytes) -> bool:
        return await self._link.ask("directory.create", (name, value), _decode_bool)

    async def delete(self, name: str) -> None:
        await self._link.ask("directory.delete", (name,), _decode_none)

    async def names(self, prefix: str) -> Sequence[str]:
        return await self._link.ask("directory.names", (prefix,), _decode_names)

    def close(self) -> None:
        """The other workers go on with it."""


class BrokerSnapshots:
    """Implements `Snapshots`."""

    def __init__(self, link: BrokerLink) -> None:
        self._link = link

    async def save(self, document: str, snapshot: Snapshot) -> None:
        await self._link.ask("snapshots.save", (document, snapshot), _decode_none)

    async def latest(self, document: str) -> Snapshot | None:
        return await self._link.ask("snapshots.latest", (document,), _decode_snapshot)

    async def before(self, document: str, epoch: str, revision: int) -> Snapshot | None:
        return await self._link.ask("snapshots.before", (document, epoch, revision), _decode_snapshot)

    async def saved(self, document: str) -> Sequence[SavedSnapshot]:
        return await self._link.ask("snapshots.saved", (document,), _decode_saved)

    async def drop(self, document: str, epoch: str, revision: int) -> None:
        await self._link.ask("snapshots.drop", (document, epoch, revision), _decode_none)

    async def names(self) -> Sequence[str]:
        return await self._link.ask("snapshots.names", (), _decode_names)

    def close(self) -> None:
        """The other workers go on with them."""

"""Real editing sessions, played through a real server by real clients."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from hubbub.collab import ChangeSet, Document
from hubbub.collab.changes import compose_all
from hubbub.protocol.messages import Message, OperationsMessage
from hubbub.protocol.payloads import Entry, Operations

Json = dict[str, Any]


def _place() -> Path | None:
    """Where github.com/josephg/editing-traces (CC BY 4.0) lies: as `EDITING_TRACES` says, or beside the project."""
    if "EDITING_TRACES" in os.environ:
        return Path(os.environ["EDITING_TRACES"])
    found = (parent / "shared/data/editing-traces" for parent in Path(__file__).parents)
    return next(filter(Path.exists, found), None)


def load(name: str) -> Json:
    """The trace. Skips where it is not to be had."""
    place = _place()
    path = None if place is None else place / f"{name}.json.gz"
    if path is None or not path.exists():
        pytest.skip("set EDITING_TRACES to a copy of github.com/josephg/editing-traces")
    with gzip.open(path) as file:
        trace: Json = json.load(file)
    return trace


def views(trace: Json) -> list[int]:
    """For each transaction of a trace of two authors, how many of the other's its author had seen."""
    seen: list[list[int]] = []
    found: list[int] = []
    for transaction in trace["txns"]:
        agent = transaction["agent"]
        known = [0, 0]
        for parent in transaction["parents"]:
            known = [max(pair) for pair in zip(known, seen[parent], strict=True)]
        found.append(known[1 - agent])
        known[agent] += 1
        seen.append(known)
    return found


class Author:
    """One of two authors. What has arrived at the client need not have been seen by the one who types.

    The other's operations are withheld until they are to be seen, or an own one behind them is acknowledged: so
    that the server maps what it is sent over them.
    """

    def __init__(self, document: Document, is_first: bool) -> None:
        self.document = document
        self._is_first = is_first
        self._unseen: list[ChangeSet] = []
        self._seen = 0
        self._length = 0
        self._withheld: list[Entry] = []
        self._arrived = asyncio.Event()
        self._receive = document._received
        document.on("change", self._unseen.append)
        document._client._parts.attached._receivers[f"doc:{document.id}"] = self._hold

    async def play(self, patches: Sequence[Any], view: int) -> None:
        """Types a transaction after having seen so many of the other's; returns when the log has it."""
        while self._seen < view:
            while not self._unseen:
                await self._release(lambda entry: entry.client_id != self.document.client_id)
            self._length = self._unseen.pop(0).new_length
            self._seen += 1
        edit = compose_all([self._typed(*patch) for patch in patches])
        unseen = []
        for other in self._unseen:
            unseen.append(other.map(edit, not self._is_first))
            edit = edit.map(other, self._is_first)
        self._unseen[:] = unseen
        if edit.empty:
            return
        self.document.edit(edit)
        while self.document._replica.pending:
            await self._release(lambda entry: entry.client_id == self.document.client_id)

    async def see_all(self, count: int) -> None:
        while self._seen + len(self._unseen) < count:
            await self._release(lambda entry: True)

    def _typed(self, position: int, deleted: int, inserted: str) -> ChangeSet:
        # No trace has a character outside the Basic Multilingual Plane: code points are units.
        edit = ChangeSet.replace(self._length, position, deleted, inserted)
        self._length = edit.new_length
        return edit

    def _hold(self, message: Message) -> None:
        if isinstance(message, OperationsMessage):
            self._withheld += message.payload.operations
            self._arrived.set()
        else:
            self._receive(message)

    async def _release(self, is_last: Callable[[Entry], bool]) -> None:
        """Lets the client have what is withheld up to such an entry; waits until there is one."""
        while not any(is_last(entry) for entry in self._withheld):
            self._arrived.clear()
            async with asyncio.timeout(30):
                await self._arrived.wait()
        place = next(place for place, entry in enumerate(self._withheld) if is_last(entry))
        released, self._withheld = self._withheld[: place + 1], self._withheld[place + 1 :]
        self._receive(OperationsMessage(channel=f"doc:{self.document.id}", payload=Operations(released)))

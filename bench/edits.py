"""Edits a second of one long document, without network and disk: the authority, a bare loop, loro and pycrdt."""

from __future__ import annotations

import asyncio
import gzip
import json
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import msgspec

from hubbub.backends.memory.log import MemoryLog
from hubbub.backends.memory.snapshots import MemorySnapshots
from hubbub.collab.authority import Authority
from hubbub.collab.live import LiveDocument, Submission
from hubbub.collab.options import DocumentOptions
from hubbub.collab.validation import read_changes
from hubbub.delivery.retention import Retention, RetentionPolicy
from hubbub.ports import Append
from hubbub.protocol.payloads import Operation

EVERYTHING = RetentionPolicy(Retention(messages=2**62, size=2**62, age=float("inf")))

Edit = tuple[int, int, str]


def edits_of(path: Path) -> tuple[list[Edit], str]:
    with gzip.open(path) as file:
        trace = json.load(file)
    return [tuple(patch) for txn in trace["txns"] for patch in txn["patches"]], trace["endContent"]


def messages_of(edits: list[Edit]) -> list[bytes]:
    """Each edit as the payload of an `operation`, as it comes from a socket."""
    encoded = []
    length = 0
    for number, (position, deleted, inserted) in enumerate(edits):
        after = length - position - deleted
        parts: list[Any] = [position] if position else []
        parts.append([deleted, *inserted.split("\n")] if inserted else [deleted])
        if after:
            parts.append(after)
        encoded.append(msgspec.json.encode(Operation(parts, number, number + 1)))
        length += len(inserted) - deleted
    return encoded


def bare_loop(messages: list[bytes]) -> str:
    """Decodes, checks the length, splices a bytearray, appends: nothing that could be left out."""
    decode = msgspec.json.Decoder(Operation).decode
    log = MemoryLog(retention=EVERYTHING, memory=2**62)
    text = bytearray()
    for data in messages:
        operation = decode(data)
        length = place = 0
        splices = []
        for part in operation.operation:
            if isinstance(part, int):
                length += part
                place += part
            else:
                deleted = int(part[0])
                inserted = "\n".join(map(str, part[1:])).encode("utf-16-le")
                splices.append((place, deleted, inserted))
                length += deleted
                place += len(inserted) // 2
        if length * 2 != len(text):
            raise ValueError("wrong length")
        for place, deleted, inserted in splices:
            text[place * 2 : (place + deleted) * 2] = inserted
        log.append([Append("doc:d", data)])
    return text.decode("utf-16-le")


class _Acknowledged:
    """Counts what would be sent."""

    count = 0

    def __len__(self) -> int:
        return 1

    def committed(self, edits: list[Any]) -> None:
        self.count += len(edits)

    def repeated(self, submission: Submission, revision: int) -> None:
        raise AssertionError

    def refused(self, submission: Submission, error: Exception) -> None:
        raise error

    def outdated(self, submission: Submission) -> None:
        raise AssertionError

    def settled(self) -> None: ...
    def reloaded(self, *, is_new: bool) -> None: ...
    def closed(self) -> None: ...


async def through_the_authority(messages: list[bytes]) -> str:
    """Decodes, validates, would map, appends on condition, and would acknowledge, without waiting for loop turns."""
    decode = msgspec.json.Decoder(Operation).decode
    log = MemoryLog(retention=EVERYTHING, memory=2**62)
    authority = Authority(log, MemorySnapshots(), DocumentOptions(max_queued=10**9), wall_ms=lambda: 1)
    heard = _Acknowledged()
    document: LiveDocument = await authority.open("d", lambda _: heard, create=True)
    for number, data in enumerate(messages):
        operation = decode(data)
        changes = read_changes(operation.operation)
        submission = Submission(
            changes=changes,
            revision=operation.revision,
            client_id="0a",
            seq=operation.seq,
            user="ann",
            parts=operation.operation,
        )
        authority.submit(document, submission)
        authority.turn()
        if number % 1000 == 0:
            await asyncio.sleep(0)
    await authority.settle()
    assert heard.count == len(messages)
    return str(document.text)


def through_loro(edits: list[Edit]) -> str:
    loro = import_module("loro")
    document = loro.LoroDoc()
    text = document.get_text("text")
    for position, deleted, inserted in edits:
        if deleted:
            text.delete(position, deleted)
        if inserted:
            text.insert(position, inserted)
        document.commit()
    return str(text.to_string())


def through_pycrdt(edits: list[Edit]) -> str:
    pycrdt = import_module("pycrdt")
    document = pycrdt.Doc()
    document["text"] = text = pycrdt.Text()
    for position, deleted, inserted in edits:
        with document.transaction():
            if deleted:
                del text[position : position + deleted]
            if inserted:
                text.insert(position, inserted)
    return str(text)


def compare(path: Path, rounds: int) -> None:
    edits, wanted = edits_of(path)
    messages = messages_of(edits)
    ways: dict[str, Callable[[], str]] = {
        "bare loop": lambda: bare_loop(messages),
        "authority": lambda: asyncio.run(through_the_authority(messages)),
        "loro": lambda: through_loro(edits),
        "pycrdt": lambda: through_pycrdt(edits),
    }
    for number in range(rounds):
        for name, way in ways.items():
            began, used = time.perf_counter(), time.process_time()
            try:
                text = way()
            except ModuleNotFoundError as error:
                print(json.dumps({"what": name, "missing": error.name}), flush=True)
                continue
            spent, cpu = time.perf_counter() - began, time.process_time() - used
            assert text == wanted, name
            line = {
                "what": name,
                "round": number,
                "seconds": round(spent, 3),
                "edits_per_s": round(len(edits) / spent),
                "cpu_us_per_edit": round(cpu / len(edits) * 1e6, 2),
            }
            print(json.dumps(line), flush=True)

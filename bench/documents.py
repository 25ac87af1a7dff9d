"""Documents: the authority against a bare loop, typists on one document, and many documents.

    python -m bench.documents authority --trace PATH/automerge-paper.json.gz
    python -m bench.documents typists --typists 100 --viewers 1000 --seconds 20
    python -m bench.documents many --documents 1000 --seconds 20

Each line printed is JSON. Run it on a quiet machine; the server is a process of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import gzip
import json
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import msgspec

from bench.process import scratch
from hubbub.backends.memory.log import MemoryLog
from hubbub.backends.memory.snapshots import MemorySnapshots
from hubbub.client.options import ClientOptions
from hubbub.collab.authority import Authority
from hubbub.collab.live import LiveDocument, Submission
from hubbub.collab.options import DocumentOptions
from hubbub.collab.validation import read_changes
from hubbub.delivery.retention import Retention, RetentionPolicy
from hubbub.ports import Append
from hubbub.protocol.payloads import Operation

EVERYTHING = RetentionPolicy(Retention(messages=2**62, size=2**62, age=float("inf")))
EDITS_A_SECOND = 5.0

Edit = tuple[int, int, str]


# --- The authority, without network and disk --------------------------------------------------------------


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


def authority(path: Path, rounds: int) -> None:
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
            began = time.perf_counter()
            try:
                text = way()
            except ModuleNotFoundError as error:
                print(json.dumps({"what": name, "missing": error.name}), flush=True)
                continue
            spent = time.perf_counter() - began
            assert text == wanted, name
            line = {"what": name, "round": number, "seconds": round(spent, 3), "edits_per_s": round(len(edits) / spent)}
            print(json.dumps(line), flush=True)


# --- Over sockets -----------------------------------------------------------------------------------------


@contextmanager
def server() -> Iterator[tuple[str, int]]:
    """`hubbub serve` on SQLite; its URL and process id."""
    with scratch() as folder:
        words = ["serve", "--anonymous", "--port", "0", "--log", f"sqlite://{folder}/hub.db"]
        process = subprocess.Popen(
            [sys.executable, "-m", "hubbub.cli.main", *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        try:
            assert process.stdout is not None
            url = process.stdout.readline().split()[3]
            yield f"ws{url.removeprefix('http')}/ws", process.pid
        finally:
            process.terminate()
            process.wait(20)


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
            if self._late is not _UNUSED:
                with suppress(ValueError):
                    self._late.extend(now - float(moment) for moment in typed.split(";") if moment)
        self._send()

    def _say(self, message: Any) -> None:
        self._socket.send(msgspec.json.encode(message), is_text=True)


_UNUSED: list[float] = []


def resident(pid: int) -> int:
    """Bytes of memory of a process."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) * 1024


def used(pid: int) -> float:
    """Seconds of processor time of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


async def run(url: str, pid: int, people: dict[str, list[Typist]], viewers: list[Typist], seconds: float) -> None:
    everyone = [typist for typists in people.values() for typist in typists]
    for start in range(0, len(everyone) + len(viewers), 50):
        await asyncio.gather(*(one.connect(url) for one in (everyone + viewers)[start : start + 50]))
    rng = random.Random(1)
    cpu, began = used(pid), time.perf_counter()
    await asyncio.gather(*(typist.type(seconds, random.Random(rng.random())) for typist in everyone))
    spent = time.perf_counter() - began
    await asyncio.sleep(1)
    print(
        json.dumps({"server_cpu": round((used(pid) - cpu) / spent, 3), "resident_mb": resident(pid) >> 20}), flush=True
    )
    for one in everyone + viewers:
        one.close()
    await asyncio.sleep(0.5)


def report(what: str, late: list[float], **more: Any) -> None:
    ordered = sorted(late)
    if not ordered:
        print(json.dumps({"what": what, "failed": "nothing arrived", **more}))
        return
    at = {
        f"p{share}_ms": round(ordered[min(len(ordered) - 1, len(ordered) * share // 100)] * 1000, 1)
        for share in (50, 95, 99)
    }
    print(json.dumps({"what": what, "seen": len(ordered), **at, **more}), flush=True)


async def typists(count: int, watching: int, seconds: float) -> None:
    """From key to others, on one document. Ten of those who look on measure; the others only take."""
    late: list[float] = []
    with server() as (url, pid):
        people = {"d": [Typist(f"t{n}", "d", _UNUSED) for n in range(count)]}
        viewers = [Typist(f"v{n}", "d", late if n < 10 else _UNUSED) for n in range(watching)]
        await run(url, pid, people, viewers, seconds)
    report("typists", late, typists=count, viewers=watching)


async def many(count: int, seconds: float) -> None:
    """Two typists in each of so many documents."""
    late: list[float] = []
    with server() as (url, pid):
        people = {f"{n}": [Typist(f"t{n}-{side}", f"{n}", late) for side in "ab"] for n in range(count)}
        await run(url, pid, people, [], seconds)
    report("many", late, documents=count)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["authority", "typists", "many"])
    parser.add_argument("--trace", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--typists", type=int, default=100)
    parser.add_argument("--viewers", type=int, default=1000)
    parser.add_argument("--documents", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=20.0)
    given = parser.parse_args()
    # As `hubbub serve` has it.
    gc.set_threshold(10_000, 20, 20)
    if given.what == "authority":
        if given.trace is None:
            parser.error("--trace: where automerge-paper.json.gz lies")
        authority(given.trace, given.rounds)
    elif given.what == "typists":
        asyncio.run(typists(given.typists, given.viewers, given.seconds))
    else:
        asyncio.run(many(given.documents, given.seconds))


if __name__ == "__main__":
    main()

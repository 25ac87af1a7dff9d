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
import json
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench import edits
from bench.process import scratch
from bench.typist import UNUSED, Typist


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


def resident(pid: int) -> int:
    """Bytes of memory of a process."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) * 1024


def used(pid: int) -> float:
    """Seconds of processor time of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


async def run(
    url: str, pid: int, people: dict[str, list[Typist]], viewers: list[Typist], seconds: float, idle: float
) -> None:
    """Prints what the server needs meanwhile, and with `idle` its memory so many seconds after everybody has left."""
    before = resident(pid)
    everyone = [typist for typists in people.values() for typist in typists]
    for start in range(0, len(everyone) + len(viewers), 50):
        await asyncio.gather(*(one.connect(url) for one in (everyone + viewers)[start : start + 50]))
    rng = random.Random(1)
    cpu, began = used(pid), time.perf_counter()
    await asyncio.gather(*(typist.type(seconds, random.Random(rng.random())) for typist in everyone))
    spent = time.perf_counter() - began
    await asyncio.sleep(1)
    busy = round((used(pid) - cpu) / spent, 3)
    print(json.dumps({"server_cpu": busy, "before_mb": before >> 20, "resident_mb": resident(pid) >> 20}), flush=True)
    for one in everyone + viewers:
        one.close()
    await asyncio.sleep(0.5 + idle)
    if idle:
        print(json.dumps({"idle_seconds": idle, "resident_mb": resident(pid) >> 20}), flush=True)


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


async def typists(count: int, watching: int, seconds: float, idle: float) -> None:
    """From key to others, on one document. Ten of those who look on measure; the others only take."""
    late: list[float] = []
    with server() as (url, pid):
        people = {"d": [Typist(f"t{n}", "d", UNUSED) for n in range(count)]}
        viewers = [Typist(f"v{n}", "d", late if n < 10 else UNUSED) for n in range(watching)]
        await run(url, pid, people, viewers, seconds, idle)
    report("typists", late, typists=count, viewers=watching)


async def many(count: int, seconds: float, idle: float) -> None:
    """Two typists in each of so many documents."""
    late: list[float] = []
    with server() as (url, pid):
        people = {f"{n}": [Typist(f"t{n}-{side}", f"{n}", late) for side in "ab"] for n in range(count)}
        await run(url, pid, people, [], seconds, idle)
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
    parser.add_argument("--idle", type=float, default=0.0, help="seconds after which memory is looked at again")
    given = parser.parse_args()
    # As `hubbub serve` has it.
    gc.set_threshold(10_000, 20, 20)
    if given.what == "authority":
        if given.trace is None:
            parser.error("--trace: where automerge-paper.json.gz lies")
        edits.compare(given.trace, given.rounds)
    elif given.what == "typists":
        asyncio.run(typists(given.typists, given.viewers, given.seconds, given.idle))
    else:
        asyncio.run(many(given.documents, given.seconds, given.idle))


if __name__ == "__main__":
    main()

"""Durable appends: the hub on SQLite, which commits in groups, against commits one by one."""

import sqlite3
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from bench.load import measure
from bench.process import cores, pinned, scratch
from bench.servers import all_servers, hub_command
from bench.trial import Bars, Figure, Setting, Trial
from bench.workloads import Work

IN_FLIGHT = (64, 512)
_RECORD = 245
"""Bytes of a message in the hub's log, in this work."""


def work_of(publishers: int) -> Work:
    """Each has a topic of the one log to itself, and gets what it publishes: as many deliveries as appends."""
    return Work(f"appends-{publishers}", f"{publishers} publishers", publishers, publishers, publishers, "topic")


def one_by_one(file: Path, seconds: float, warm: float) -> float:
    """Appends a second when each is a transaction of its own, as safe as the hub's: in the log and on disk.

    Nothing else is done: no network, no validation, no index of message ids.
    """
    connection = sqlite3.connect(file, isolation_level=None)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("CREATE TABLE records (position INTEGER PRIMARY KEY, record BLOB NOT NULL)")
        record = b"x" * _RECORD

        def append_for(duration: float) -> float:
            count = 0
            began = time.perf_counter()
            while (spent := time.perf_counter() - began) < duration:
                connection.execute("INSERT INTO records (record) VALUES (?)", (record,))
                count += 1
            return count / spent

        append_for(warm)
        return append_for(seconds)
    finally:
        connection.close()


def through_the_hub(setting: Setting, publishers: int, log: str) -> float:
    """Messages a second that the hub appends, acknowledges and delivers."""
    hub = replace(all_servers(setting.hub)[0], command=(*hub_command(setting.hub), "--log", log))
    return measure(hub, work_of(publishers), setting.seconds, setting.warm).published_per_s


def run(setting: Setting) -> Mapping[str, float]:
    """All in one folder, so on one disk, one after the other."""
    with scratch() as folder:
        with pinned(cores()[0]):
            single = one_by_one(folder / "single.db", setting.seconds, setting.warm)
        found = {"single_per_s": single}
        for count in IN_FLIGHT:
            done = through_the_hub(setting, count, f"sqlite://{folder / f'hub{count}.db'}")
            found |= {f"hub_{count}_per_s": done, f"ratio_{count}": done / single}
    found["memory_per_s"] = through_the_hub(setting, IN_FLIGHT[0], "memory")
    return found


_FEW, _MANY = IN_FLIGHT

TRIAL = Trial(
    key="appends",
    title="SQLite appends, on disk before the ack",
    run=run,
    figures=(
        Figure(f"ratio_{_FEW}", f"the hub, {_FEW} in flight, to one by one", "×"),
        Figure(f"ratio_{_MANY}", f"the hub, {_MANY} in flight, to one by one", "×"),
        Figure("single_per_s", "appends a second one by one (sqlite3)", ""),
        Figure(f"hub_{_FEW}_per_s", f"messages a second of the hub, {_FEW} in flight", ""),
        Figure(f"hub_{_MANY}_per_s", f"messages a second of the hub, {_MANY} in flight", ""),
        Figure("memory_per_s", f"messages a second of the hub with its log in memory, {_FEW} in flight", ""),
    ),
    headline=f"ratio_{_FEW}",
    bars=(
        Bars(
            "SQLite appends, on disk before the ack",
            "thousands of messages a second",
            (
                ("single_per_s", "one by one (sqlite3)", "least"),
                (f"hub_{_FEW}_per_s", f"hubbub, {_FEW} in flight", "hub"),
                (f"hub_{_MANY}_per_s", f"hubbub, {_MANY} in flight", "hub"),
                ("memory_per_s", f"in memory, {_FEW} in flight", "limit"),
            ),
            scale=1000,
        ),
    ),
)

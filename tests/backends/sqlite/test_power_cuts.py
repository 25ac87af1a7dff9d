"""The power is cut at any moment: what was acknowledged with `fsync` full is there afterwards."""

from __future__ import annotations

import random
from inspect import isawaitable
from pathlib import Path
from typing import Any

import pytest

from hubbub.backends.sqlite.opening import Fsync
from hubbub.backends.sqlite.storage import SqliteStorage, open_storage
from hubbub.delivery.retention import Retention, RetentionPolicy
from hubbub.errors import ConfigurationError, TryLater
from hubbub.ports import Append, Appended, Page
from hubbub.testing.power import Disk, PowerCut

POLICY = RetentionPolicy(
    Retention(messages=10**6, size=10**9),
    [("short", Retention(messages=5)), ("newest", Retention(messages=3, conflate=True, keys=4))],
)
NAMES = ["long", "other", "short", "newest"]

Acknowledged = dict[tuple[str, int], bytes]


def now(result: Any) -> Any:
    assert not isawaitable(result)
    return result


class Machine:
    """Runs on a disk, until the power is cut or the process is killed, and starts again on what is left."""

    def __init__(self, path: Path, seed: int, fsync: Fsync) -> None:
        self.path = path
        self.chance = random.Random(seed)
        self.fsync: Fsync = fsync
        self.files: dict[str, bytes] = {}
        self.boot = 1
        self.sent = 0
        self.attempted: dict[bytes, str] = {}
        """The message ids of all records."""
        self.acknowledged: Acknowledged = {}
        self.epochs: set[str] = set()

    def run(self, steps: int, fuse: int | None, *, kill: bool = False) -> None:
        """Appends, and remembers what was acknowledged."""
        disk = Disk(self.files, fuse)
        with disk.mounted() as connect:
            try:
                storage = self.open(connect)
                for _ in range(steps):
                    self.append(storage)
                    if disk.dead:
                        break
            except (ConfigurationError, PowerCut):
                assert disk.dead, "it always starts on what a cut leaves"
        if kill:
            self.files = disk.after_a_kill()
        else:
            self.files = disk.after_a_cut(self.chance)
            self.boot += 1

    def open(self, connect: Any) -> SqliteStorage:
        self.path.with_name(f"{self.path.name}.lock").unlink(missing_ok=True)
        return open_storage(
            self.path,
            inline=True,
            fsync=self.fsync,
            connect=connect,
            boot=lambda: f"boot {self.boot}",
            retention=POLICY,
            ring_messages=self.chance.choice([1, 10, 1000]),
        )

    def append(self, storage: SqliteStorage) -> None:
        items = []
        for _ in range(self.chance.randint(1, 5)):
            self.sent += 1
            record = b"%d " % self.sent + b"x" * self.chance.choice([0, 10, 500, 6000])
            self.attempted[record] = f"id-{self.sent}"
            items.append(Append(self.chance.choice(NAMES), record, "s", f"id-{self.sent}", f"{self.sent % 9}"))
        for item, result in zip(items, now(storage.log.append(items)), strict=True):
            if isinstance(result, Appended):
                assert not result.repeated
                self.acknowledged[item.log, result.offset] = item.record
                self.epochs.add(result.epoch)

    def inspect(self) -> tuple[Acknowledged, dict[str, Page], dict[bytes, Appended]]:
        """Everything that is in the logs now, their pages, and what is said when each record is sent again."""
        stored: Acknowledged = {}
        pages = {}
        with Disk(self.files).mounted() as connect:
            storage = self.open(connect)
            for name in NAMES:
                page = pages[name] = now(storage.log.read(name, limit=10**6))
                stored |= {(name, offset): record for offset, record in page.entries}
            again = [Append("again", record, "s", id) for record, id in self.attempted.items()]
            answers = dict(zip(self.attempted, now(storage.log.append(again)), strict=True))
        return stored, pages, answers


def missing(acknowledged: Acknowledged, stored: Acknowledged, pages: dict[str, Page]) -> Acknowledged:
    """What was acknowledged and is gone without being told of, besides what was superseded."""
    return {
        (name, offset): record
        for (name, offset), record in acknowledged.items()
        if stored.get((name, offset)) != record and offset >= pages[name].oldest and name != "newest"
    }


@pytest.mark.parametrize("seed", range(40))
def test_what_was_acknowledged_is_there_after_power_cuts(tmp_path: Path, seed: int) -> None:
    machine = Machine(tmp_path / "hub.db", seed, "full")
    for _ in range(4):
        machine.run(40, machine.chance.randint(1, 400))
    stored, pages, answers = machine.inspect()
    assert missing(machine.acknowledged, stored, pages) == {}
    assert len(machine.epochs | {page.epoch for page in pages.values()}) <= 1 or not machine.acknowledged
    assert set(stored.values()) <= set(machine.attempted), "and nothing else"
    for (_, offset), record in machine.acknowledged.items():
        assert (answers[record].repeated, answers[record].offset) == (True, offset)
    newest = {record: offset for (name, offset), record in machine.acknowledged.items() if name == "newest"}
    for number, offset in {b"%d" % (int(record.split()[0]) % 9): o for record, o in newest.items()}.items():
        kept = [o for (name, o), r in stored.items() if name == "newest" and b"%d" % (int(r.split()[0]) % 9) == number]
        assert offset < pages["newest"].oldest or (kept and max(kept) >= offset), "the newest of each key"


@pytest.mark.parametrize("fsync", ["normal", "off"])
def test_where_less_is_waited_for_a_loss_is_told_by_a_new_epoch(tmp_path: Path, fsync: Fsync) -> None:
    losses = damages = 0
    for seed in range(40):
        machine = Machine(tmp_path / f"{seed}.db", seed, fsync)
        machine.run(40, machine.chance.randint(50, 400))
        try:
            stored, pages, _ = machine.inspect()
        except (ConfigurationError, TryLater):
            damages += 1
            continue
        losses += bool(missing(machine.acknowledged, stored, pages))
        assert machine.epochs.isdisjoint(page.epoch for page in pages.values())
    assert losses > 5, "this disk really loses what was not synced"
    assert (damages > 0) is (fsync == "off"), "without any waiting the file may be damaged, but never misread"


@pytest.mark.parametrize("fsync", ["full", "normal", "off"])
def test_a_process_that_is_killed_loses_nothing(tmp_path: Path, fsync: Fsync) -> None:
    for seed in range(10):
        machine = Machine(tmp_path / f"{seed}.db", seed, fsync)
        for _ in range(3):
            machine.run(20, machine.chance.randint(50, 300), kill=True)
        stored, pages, _ = machine.inspect()
        assert missing(machine.acknowledged, stored, pages) == {}
        assert machine.epochs == {page.epoch for page in pages.values()}

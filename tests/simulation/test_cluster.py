"""The guarantee over several nodes and one log, and that the checker finds what is planted there."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from typing import Any

import pytest
from msgspec.structs import replace

from hubbub.backends.memory.sessions import MemorySessions
from hubbub.hub.fanout import FanOut
from hubbub.hub.feed import Feed
from hubbub.hub.publishing import Publication
from hubbub.node.following import Following
from hubbub.ports import SessionRecord
from hubbub.testing.simulation.cluster import make_cluster_plan, simulate_cluster
from hubbub.testing.simulation.run import tune

NODES = 3
SEEDS = (1, 6, 44, 18, 10, *range(80))
"""The first ones are where these bugs were found: the others take over when plans change."""

Plant = Callable[[pytest.MonkeyPatch], None]


@pytest.mark.parametrize("seed", [1, 5])
def test_a_seed_is_the_same_story_every_time(seed: int) -> None:
    first, second = simulate_cluster(NODES, seed), simulate_cluster(NODES, seed)
    assert first.violations == []
    assert (first.digest, first.virtual, first.deliveries) == (second.digest, second.virtual, second.deliveries)


def test_nodes_are_in_trouble_often_enough() -> None:
    faults = [happening.fault for seed in range(50) for happening in make_cluster_plan(seed, NODES).happenings]
    for fault in ("crash", "stop", "move", "part", "deaf", "late", "twice", "skip"):
        assert faults.count(fault) >= 8, fault


@pytest.mark.slow
def test_200_seeds_break_nothing() -> None:
    one = partial(simulate_cluster, NODES)
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn"), initializer=tune) as pool:
        results = list(pool.map(one, range(200), chunksize=10))
    assert {result.seed: result.violations for result in results if result.violations} == {}
    assert sum(result.deliveries for result in results) > 5_000


def own_record_twice(patch: pytest.MonkeyPatch) -> None:
    """What was published here is handed on at once, and again when the follower brings it."""

    def committed(self: Following, publication: Publication, epoch: str, offset: int) -> None:
        tail = self._tails.get(publication.channel.log)
        if tail is not None and epoch == tail.epoch and offset == tail.at + 1:
            self._hub.publishing.arrived(tail.log, ((offset, publication),))

    patch.setattr(Following, "committed", committed)


def own_record_too_early(patch: pytest.MonkeyPatch) -> None:
    """What was published here is handed on at once, whatever is missing before it."""

    def committed(self: Following, publication: Publication, epoch: str, offset: int) -> None:
        tail = self._tails.get(publication.channel.log)
        if tail is not None and epoch == tail.epoch and offset > tail.at:
            tail.at = offset
            self._hub.publishing.arrived(tail.log, ((offset, publication),))

    patch.setattr(Following, "committed", committed)


def skipped_offset_ignored(patch: pytest.MonkeyPatch) -> None:
    """A record that comes after a hole is handed on, and the hole forgotten."""

    def take(self: Following, tail: Any, epoch: str, entries: Sequence[tuple[int, bytes]]) -> None:
        fresh = [entry for entry in entries if entry[0] > tail.at]
        if epoch == tail.epoch and fresh:
            tail.at = fresh[-1][0]
            self._hub.publishing.arrived(tail.log, fresh)

    patch.setattr(Following, "_take", take)


def subscriptions_are_trusted(patch: pytest.MonkeyPatch) -> None:
    """Nobody reads after an interruption, or looks after a log that is silent."""
    patch.setattr(Following, "interrupted", lambda self, log: None)
    patch.setattr(Following, "sweep", lambda self: None)


def new_epoch_in_silence(patch: pytest.MonkeyPatch) -> None:
    """A log that was begun anew is followed without a word."""
    begin_anew = FanOut.begin_anew

    def quietly(self: FanOut, feed: Feed, epoch: str, offset: int) -> None:
        send, self._hub.outbox.send = self._hub.outbox.send, lambda connection, message: None  # type: ignore[method-assign]
        try:
            begin_anew(self, feed, epoch, offset)
        finally:
            self._hub.outbox.send = send  # type: ignore[method-assign]

    patch.setattr(FanOut, "begin_anew", quietly)


def held_records_dropped(patch: pytest.MonkeyPatch) -> None:
    """What arrives while a log is read is thrown away, and so is the memory of it."""

    def hold(self: Following, tail: Any, epoch: str, entries: Sequence[tuple[int, bytes]]) -> None:
        tail.at = max(tail.at, entries[-1][0])

    patch.setattr(Following, "_hold", hold)


def fence_ignored(patch: pytest.MonkeyPatch) -> None:
    """Who has lost a session may save it all the same."""
    save = MemorySessions.save

    def allow(self: MemorySessions, record: SessionRecord) -> bool:
        stored = self._records.get(record.digest)
        fence = record.fence if stored is None else max(record.fence, stored.fence)
        return save(self, replace(record, fence=fence))

    patch.setattr(MemorySessions, "save", allow)


MUTANTS: list[Plant] = [
    own_record_twice,
    own_record_too_early,
    skipped_offset_ignored,
    subscriptions_are_trusted,
    new_epoch_in_silence,
    held_records_dropped,
    fence_ignored,
]


@pytest.mark.slow
@pytest.mark.parametrize("plant", MUTANTS, ids=[plant.__name__ for plant in MUTANTS])
def test_a_planted_bug_is_found(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)
    for seed in SEEDS:
        if simulate_cluster(NODES, seed).violations:
            monkeypatch.undo()
            assert simulate_cluster(NODES, seed).violations == []
            return
    pytest.fail(f"{plant.__doc__} Nobody noticed in {len(SEEDS)} seeds.")

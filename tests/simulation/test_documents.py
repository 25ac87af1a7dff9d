"""A document under faults over many seeds, on disks that lose what was not synced too; and bugs that it must find."""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest

from hubbub.testing.power import Content
from hubbub.testing.simulation.documents import make_document_plan, simulate_document
from hubbub.testing.simulation.run import tune
from tests.collab.mutants import MUTANTS, Plant

SEEDS = range(100)


@pytest.mark.parametrize("seed", [3, 8])
def test_a_seed_is_the_same_story_every_time(seed: int) -> None:
    first, second = simulate_document(seed), simulate_document(seed)
    assert first.violations == []
    assert (first.digest, first.virtual) == (second.digest, second.virtual)


@pytest.mark.slow
def test_200_seeds_break_nothing() -> None:
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn"), initializer=tune) as pool:
        results = list(pool.map(simulate_document, range(200), chunksize=10))
    assert {result.seed: result.violations for result in results if result.violations} == {}


def test_power_fails_in_many_of_them() -> None:
    plans = [make_document_plan(seed).base for seed in SEEDS]
    cuts = [plan for plan in plans if plan.storage == "power" and any(one.fault == "crash" for one in plan.happenings)]
    assert len(cuts) > 5


def the_disk_lies(patch: pytest.MonkeyPatch) -> None:
    """What is said to be synced is not."""
    patch.setattr(Content, "sync", lambda self: None)


@pytest.mark.slow
@pytest.mark.parametrize("plant", [*MUTANTS, the_disk_lies])
def test_a_planted_bug_is_found(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)
    for seed in SEEDS:
        if simulate_document(seed).violations:
            monkeypatch.undo()
            assert simulate_document(seed).violations == []
            return
    pytest.fail(f"nobody noticed in {len(SEEDS)} seeds")

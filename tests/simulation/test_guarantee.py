"""The guarantee over many seeds, and that a seed is the same story every time."""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest

from hubbub.testing.simulation.run import simulate, tune


@pytest.mark.parametrize("seed", [3, 32, 123])
def test_a_seed_is_the_same_story_every_time(seed: int) -> None:
    first, second = simulate(seed), simulate(seed)
    assert first.violations == []
    assert (first.digest, first.virtual, first.deliveries) == (second.digest, second.virtual, second.deliveries)


@pytest.mark.slow
def test_500_seeds_break_nothing() -> None:
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn"), initializer=tune) as pool:
        results = list(pool.map(simulate, range(500), chunksize=10))
    assert {result.seed: result.violations for result in results if result.violations} == {}
    assert sum(result.deliveries for result in results) > 10_000

"""`hubbub simulate`: the guarantee over many seeds, or the story of one."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context

from hubbub.errors import ConfigurationError
from hubbub.testing.simulation.cluster import simulate_cluster
from hubbub.testing.simulation.documents import simulate_document
from hubbub.testing.simulation.run import Result, simulate, tune


def run_simulations(seeds: int, seed: int | None, jobs: int | None, nodes: int = 1, *, documents: bool = False) -> int:
    """Plays the seeds 0 to `seeds` - 1, or just one, and says what it found. Returns how many broke the guarantee.

    Raises `ConfigurationError` for `documents` with several nodes.
    """
    one: Callable[[int], Result] = simulate
    options = ""
    if documents:
        if nodes > 1:
            raise ConfigurationError("documents", "is a simulation of its own, of one node: leave --nodes out")
        one, options = simulate_document, " --documents"
    elif nodes > 1:
        one, options = partial(simulate_cluster, nodes), f" --nodes {nodes}"
    if os.environ.get("PYTHONHASHSEED") != "0":
        # Sets of strings have another order in every process, and a seed is to be the same story in all of them.
        environment = {**os.environ, "PYTHONHASHSEED": "0"}
        os.execve(sys.executable, [sys.executable, "-m", "hubbub.cli.main", *sys.argv[1:]], environment)  # noqa: S606
    began = time.perf_counter()
    virtual, broken = 0.0, 0
    numbers = range(seeds) if seed is None else range(seed, seed + 1)
    for done, result in enumerate(_play(one, numbers, jobs), 1):
        virtual += result.virtual
        if result.violations:
            broken += 1
            _tell(result, options)
        if done % 100 == 0 or done == len(numbers):
            real = time.perf_counter() - began
            rate = virtual / 3600 / real
            print(f"{done} of {len(numbers)} seeds, {broken} broken, {rate:.2f} simulated hours a second", flush=True)
    return broken


def _play(one: Callable[[int], Result], numbers: range, jobs: int | None) -> Iterator[Result]:
    if len(numbers) == 1:
        tune()
        yield one(numbers[0])
        return
    with ProcessPoolExecutor(jobs or os.cpu_count(), mp_context=get_context("spawn"), initializer=tune) as pool:
        yield from pool.map(one, numbers, chunksize=10)


def _tell(result: Result, more: str) -> None:
    print(f"\nseed {result.seed} breaks the guarantee (again: hubbub simulate --seed {result.seed}{more})")
    for line in result.violations[:20]:
        print(f"  {line}")
    print("how it came to that:")
    for line in result.tail:
        print(f"  {line}")

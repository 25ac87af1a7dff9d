"""The log on disk answers as the one in memory does."""

import asyncio
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hubbub.backends.memory.log import MemoryLog
from hubbub.backends.sqlite.storage import SqliteStorage, open_storage
from hubbub.delivery.retention import Retention, RetentionPolicy
from hubbub.ports import Append
from hubbub.testing.clock import VirtualClock

NAMES = st.sampled_from(["plain", "conflated"])
APPENDS = st.lists(
    st.builds(
        Append,
        log=NAMES,
        record=st.binary(max_size=6),
        session=st.sampled_from(["", "s", "t"]),
        message_id=st.sampled_from(["1", "2", "a", "A"]),
        key=st.sampled_from(["", "x", "y", "z"]),
    ),
    max_size=6,
)
READS = st.tuples(NAMES, st.integers(0, 30), st.none() | st.integers(0, 30), st.integers(0, 5), st.booleans())
STEPS = st.lists(
    st.one_of(APPENDS, READS, st.just("restart"), st.integers(1, 20), st.sampled_from("st")), min_size=5, max_size=40
)
POLICIES = st.builds(
    lambda plain, conflated: RetentionPolicy(plain, [("conflated", conflated)]),
    st.builds(Retention, messages=st.integers(1, 7), age=st.integers(5, 50).map(lambda age: age + 0.5)),
    st.builds(Retention, messages=st.integers(1, 7), age=st.just(1e6), conflate=st.just(True), keys=st.integers(1, 3)),
)


# Every example opens and closes a file, and more than once.
@pytest.mark.parametrize("count", [30, pytest.param(500, marks=pytest.mark.slow)])
def test_it_answers_as_the_log_in_memory_does(tmp_path: Path, count: int) -> None:
    @settings(max_examples=count, deadline=None)
    @given(POLICIES, STEPS, st.sampled_from([1, 2, 1000]), st.sampled_from([0, 1000, 10**6]))
    def check(policy: RetentionPolicy, steps: list[Any], ring: int, memory: int) -> None:
        play(tmp_path / "run", policy, steps, ring, memory)

    check()


def play(place: Path, policy: RetentionPolicy, steps: list[Any], ring: int, memory: int) -> None:
    """One log on disk and one in memory, and the same steps for both."""

    def opened() -> SqliteStorage:
        return open_storage(
            place / "hub.db",
            inline=True,
            fsync="off",
            wall=clock,
            retention=policy,
            ring_messages=ring,
            memory=memory,
            dedup_window=3,
            dedup_age=30,
        )

    def check(name: str, after: int, before: int | None, limit: int, newest: bool) -> None:
        mine: Any = storage.log.read(name, after=after, before=before, limit=limit, newest=newest)
        its = reference.read(name, after=after, before=before, limit=limit, newest=newest)
        assert list(mine.entries) == list(its.entries)
        assert mine.head == its.head
        # What is long gone may be unknown to one who is not asked for it.
        assert (after < mine.oldest - 1) is (after < its.oldest - 1)
        assert mine.complete == its.complete
        head: Any = storage.log.head(name)
        assert head.offset == reference.head(name).offset

    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    clock = VirtualClock()
    # The one on disk forgets message ids in stretches.
    reference = MemoryLog(retention=policy, clock=clock, dedup_window=10**6, dedup_age=30)
    storage = opened()
    for step in steps:
        if step == "restart":
            asyncio.run(storage.close())
            storage = opened()
        elif isinstance(step, str):
            storage.log.forget(step)
            reference.forget(step)
        elif isinstance(step, int):
            clock.advance(step)
        elif isinstance(step, tuple):
            check(*step)
        else:
            # One that conflates may keep more keys of a batch than of the same records one by one.
            alone = any(item.log == "conflated" for item in step)
            for batch in [[item] for item in step] if alone else [step]:
                results: Any = storage.log.append(batch)
                expected: Any = reference.append(batch)
                assert [(r.offset, r.repeated) for r in results] == [(r.offset, r.repeated) for r in expected]
    for name in ("plain", "conflated"):
        check(name, 0, None, 1000, False)
    asyncio.run(storage.close())

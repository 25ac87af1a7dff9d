"""Batches: when one is due, one at a time, retries with a growing delay, bounds."""

import math
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from hubbub.delivery.batching import MAX_RETRY_DELAY, Batcher
from hubbub.errors import ConfigurationError, HubbubError


def filled(count: int, *, now: float = 0.0, **options: Any) -> Batcher[int]:
    batcher: Batcher[int] = Batcher(**options)
    for item in range(count):
        batcher.add(item, now)
    return batcher


def test_a_full_batch_is_due_at_once() -> None:
    batcher = filled(2, size=3, wait=1.0)
    assert not batcher.is_due(0.5)
    batcher.add(2, 0.5)
    assert batcher.deadline == 0.5
    assert batcher.take(0.5) == [0, 1, 2]


def test_the_rest_is_due_when_its_first_item_has_waited() -> None:
    batcher = filled(3, size=3, wait=1.0)
    batcher.add(3, 0.7)
    assert batcher.take(0.7) == [0, 1, 2]
    assert batcher.deadline is None, "one at a time"
    batcher.done()
    assert batcher.deadline == pytest.approx(1.7), "not since the batch before"
    assert not batcher.is_due(1.6)
    assert batcher.take(1.7) == [3]


def test_what_came_while_a_batch_was_out_is_not_more_than_a_batch() -> None:
    batcher = filled(3, size=3)
    batcher.take(0)
    for item in range(3, 10):
        batcher.add(item, 0)
    batcher.done()
    assert batcher.take(0) == [3, 4, 5]
    assert len(batcher) == 7


def test_a_failed_batch_comes_again_before_any_other_and_later_each_time() -> None:
    batcher = filled(4, size=2, retries=3, retry_delay=0.1)
    delays = []
    now = 0.0
    assert batcher.take(now) == [0, 1]
    while (delay := batcher.failed(now)) is not None:
        delays.append(delay)
        assert not batcher.is_due(now + delay / 2)
        now += delay
        assert batcher.take(now) == [0, 1]
    assert delays == pytest.approx([0.1, 0.2, 0.4])
    assert batcher.attempt == 4
    assert len(batcher) == 4, "the dead count until they are put aside"
    with pytest.raises(HubbubError):
        batcher.take(now)
    batcher.done()
    assert (batcher.attempt, batcher.take(now)) == (0, [2, 3])


def test_the_delay_has_a_bound_however_many_retries() -> None:
    batcher = filled(1, wait=0, retries=5000, retry_delay=0.1)
    now = delay = 0.0
    for _ in range(5000):
        batcher.take(now)
        answer = batcher.failed(now)
        assert answer is not None and delay <= answer <= MAX_RETRY_DELAY
        delay = answer
        now += delay
    assert delay == MAX_RETRY_DELAY
    long = filled(1, wait=0, retry_delay=60)
    long.take(0)
    assert long.failed(0) == 60


def test_without_retries_the_first_failure_is_the_last() -> None:
    batcher = filled(1, wait=0, retries=0)
    batcher.take(0)
    assert batcher.failed(0) is None


def test_closing_lets_nothing_wait_but_for_a_retry() -> None:
    batcher = filled(1, wait=60, retry_delay=5)
    assert not batcher.is_due(1)
    batcher.close()
    with pytest.raises(HubbubError, match="closed"):
        batcher.add(1, 1)
    batcher.take(1)
    batcher.failed(1)
    assert batcher.deadline == 6


def test_the_list_is_the_takers() -> None:
    batcher = filled(2, wait=0, retry_delay=0)
    batcher.take(0).clear()
    batcher.failed(0)
    assert batcher.take(0) == [0, 1]


@pytest.mark.parametrize(
    ("options", "setting"),
    [
        ({"size": 0}, "size"),
        ({"size": 10, "limit": 9}, "limit"),
        ({"retries": -1}, "retries"),
        ({"wait": -0.1}, "wait"),
        ({"wait": math.nan}, "wait"),
        ({"retry_delay": math.inf}, "retry_delay"),
    ],
)
def test_wrong_options_are_refused_by_name(options: dict[str, Any], setting: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        Batcher(**options)
    assert raised.value.setting == setting


SIZE, WAIT, LIMIT, RETRIES, DELAY = 3, 8, 7, 2, 4
"""Whole seconds, so that sums are exact."""


class Batches(RuleBasedStateMachine):
    """Every legal call does what a plain model says, every other raises and changes nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.batcher: Batcher[int] = Batcher(size=SIZE, wait=WAIT, limit=LIMIT, retries=RETRIES, retry_delay=DELAY)
        self.now = 0.0
        self.count = 0
        self.came: dict[int, float] = {}
        self.waiting: list[int] = []
        self.batch: list[int] = []
        self.over: list[int] = []
        self.out = False
        self.failures = 0
        self.again = 0.0
        self.closed = False

    @property
    def due(self) -> bool:
        if self.out:
            return False
        if self.batch:
            return self.now >= self.again
        if not self.waiting:
            return False
        return len(self.waiting) >= SIZE or self.closed or self.now >= self.came[self.waiting[0]] + WAIT

    @rule(seconds=st.integers(0, 10))
    def advance(self, seconds: int) -> None:
        self.now += seconds

    @rule()
    def add(self) -> None:
        item, self.count = self.count, self.count + 1
        if self.closed or len(self.waiting) + len(self.batch) >= LIMIT:
            with pytest.raises(HubbubError):
                self.batcher.add(item, self.now)
            self.count -= 1
            return
        self.batcher.add(item, self.now)
        self.waiting.append(item)
        self.came[item] = self.now

    @rule()
    def take(self) -> None:
        if not self.due:
            with pytest.raises(HubbubError):
                self.batcher.take(self.now)
            return
        if not self.batch:
            self.batch, self.waiting = self.waiting[:SIZE], self.waiting[SIZE:]
        self.out = True
        assert self.batcher.take(self.now) == self.batch

    @rule()
    def done(self) -> None:
        if not self.out:
            with pytest.raises(HubbubError):
                self.batcher.done()
            return
        self.batcher.done()
        self.over += self.batch
        self.batch, self.out, self.failures = [], False, 0

    @rule()
    def failed(self) -> None:
        if not self.out:
            with pytest.raises(HubbubError):
                self.batcher.failed(self.now)
            return
        delay = self.batcher.failed(self.now)
        if self.failures == RETRIES:
            assert delay is None
            self.done()
            return
        assert delay == DELAY * 2**self.failures
        self.failures += 1
        self.again = self.now + delay
        self.out = False

    @precondition(lambda self: self.count > 5)
    @rule()
    def close(self) -> None:
        self.batcher.close()
        self.closed = True

    @precondition(lambda self: self.count > 5)
    @rule()
    def clear(self) -> None:
        rest = self.batcher.clear()
        assert rest == self.batch + self.waiting
        self.over += rest
        self.batch, self.waiting, self.out, self.failures = [], [], False, 0

    @invariant()
    def it_is_as_the_model(self) -> None:
        batcher = self.batcher
        held = len(self.waiting) + len(self.batch)
        assert (len(batcher), batcher.is_full, batcher.is_closed) == (held, held >= LIMIT, self.closed)
        assert batcher.is_due(self.now) == self.due
        deadline = batcher.deadline
        if deadline is None:
            assert self.out or not held
        else:
            assert batcher.is_due(deadline) and not batcher.is_due(deadline - 1)

    @invariant()
    def nothing_is_lost_doubled_or_overtaken(self) -> None:
        assert self.over + self.batch + self.waiting == list(range(self.count))


TestBatches = Batches.TestCase

"""Delays before trying again."""

import random

from hubbub.delivery.backoff import Backoff


class Greatest:
    """A generator that takes the largest, and notes the bounds."""

    def __init__(self) -> None:
        self.bounds: list[tuple[float, float]] = []

    def uniform(self, a: float, b: float, /) -> float:
        self.bounds.append((a, b))
        return b


def test_the_bound_doubles_from_one_second_to_thirty() -> None:
    rng = Greatest()
    backoff = Backoff(rng)
    assert [backoff.next() for _ in range(8)] == [1, 2, 4, 8, 16, 30, 30, 30]
    assert all(low == 0 for low, _ in rng.bounds)
    assert backoff.attempts == 8
    backoff.reset()
    assert (backoff.attempts, backoff.next()) == (0, 1)


def test_the_whole_delay_is_random() -> None:
    delays = []
    for seed in range(2000):
        backoff = Backoff(random.Random(seed))
        backoff.next()
        delays.append(backoff.next())
    assert min(delays) < 0.05
    assert 1.95 < max(delays) <= 2
    assert 0.9 < sum(delays) / len(delays) < 1.1


def test_it_goes_on_for_ever() -> None:
    backoff = Backoff(Greatest(), initial=5, maximum=3)
    assert {backoff.next() for _ in range(5000)} == {3}

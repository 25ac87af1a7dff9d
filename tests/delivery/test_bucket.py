"""Tokens, and debts."""

import pytest

from hubbub.delivery.bucket import Bucket


def test_a_burst_passes_and_then_the_rate_does() -> None:
    bucket = Bucket(rate=10, burst=50, now=0)
    assert bucket.take(50, 0) == 0
    assert bucket.wait == 0
    assert bucket.take(60, 1) == 0
    assert bucket.take(61, 1) == -1
    assert bucket.wait == pytest.approx(0.1)


def test_a_debt_is_paid_by_waiting() -> None:
    bucket = Bucket(rate=10, burst=10, now=0)
    assert bucket.take(40, 0) == -30
    assert bucket.wait == 3
    assert bucket.take(40, 2) == -10
    assert bucket.take(40, 3) == 0


def test_no_more_is_saved_than_a_burst() -> None:
    bucket = Bucket(rate=10, burst=10, now=0)
    bucket.take(10, 0)
    assert bucket.take(10, 1000) == 10

"""The lesson's numbers: under 100 ms good, under 500 ms slow, checked every 5 s."""

import pytest

from hubbub.delivery.link import INTERVAL, LinkMeter, judge


@pytest.mark.parametrize(
    ("round_trip", "quality"),
    [(0.0, "good"), (0.0999, "good"), (0.1, "slow"), (0.4999, "slow"), (0.5, "bad"), (9.0, "bad")],
)
def test_the_bounds(round_trip: float, quality: str) -> None:
    assert judge(round_trip) == quality
    assert INTERVAL == 5


def test_it_is_smoothed_and_changes_at_a_check_only() -> None:
    meter = LinkMeter()
    assert (meter.check(0), meter.round_trip) == ("good", None)
    meter.pinged(0)
    meter.answered(0.02)
    assert meter.round_trip == pytest.approx(0.02)
    meter.pinged(5)
    meter.answered(5.2)
    assert meter.round_trip == pytest.approx(0.11)
    assert meter.quality == "good"
    assert meter.check(10) == "slow" == meter.quality
    for second in range(10, 100, 5):
        meter.pinged(second)
        meter.answered(second + 0.01)
    assert meter.check(100) == "good"


def test_an_answer_that_is_late_already_counts() -> None:
    meter = LinkMeter()
    meter.pinged(0)
    assert meter.check(0.3) == "slow"
    assert meter.check(5) == "bad"
    meter.answered(5.5)
    meter.answered(99)
    assert meter.round_trip == pytest.approx(5.5)
    meter.reset()
    assert (meter.quality, meter.round_trip, meter.pinged_at) == ("good", None, None)

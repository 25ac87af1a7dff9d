import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubbub.delivery.retention import Retention
from hubbub.delivery.ring import RECORD_COST, ConflatingRing, Ring, make_ring

Step = tuple[str, int, float]
STEPS = st.lists(st.tuples(st.sampled_from(["", "a", "b", "c", "d"]), st.integers(0, 5), st.floats(0, 3)), max_size=40)
RETENTIONS = st.builds(
    Retention,
    messages=st.integers(1, 6),
    size=st.integers(1, 12),
    age=st.floats(1, 8),
    conflate=st.booleans(),
    keys=st.integers(1, 3),
)


class Model:
    """What a ring must hold, worked out anew from all that was ever appended."""

    def __init__(self, retention: Retention) -> None:
        self.retention = retention
        self.window: list[tuple[int, float, int, str]] = []
        self.kept: list[tuple[int, str]] = []
        self.missed = 0
        self.head = 0

    def append(self, now: float, size: int, key: str) -> None:
        self.head += 1
        self.window.append((self.head, now, size, key))
        if self.retention.conflate and key:
            self.kept = [one for one in self.kept if one[1] != key]
        self.trim(now, 1)

    def trim(self, now: float, least: int) -> None:
        keep = self.retention
        while len(self.window) > least and (
            self.window[0][1] < now - keep.age
            or (least and (len(self.window) > keep.messages or sum(one[2] for one in self.window) > keep.size))
        ):
            offset, _, _, key = self.window.pop(0)
            if not keep.conflate or not key:
                self.missed = max(self.missed, offset)
            elif all(one[3] != key for one in self.window):
                self.kept.append((offset, key))
        while len(self.kept) > keep.keys:
            self.missed = max(self.missed, self.kept.pop(0)[0])

    @property
    def offsets(self) -> list[int]:
        return [one[0] for one in self.kept] + [one[0] for one in self.window]


@given(RETENTIONS, STEPS, st.integers(0, 45), st.none() | st.integers(0, 45), st.integers(0, 8), st.booleans())
def test_a_ring_holds_what_its_retention_says(
    retention: Retention, steps: list[Step], after: int, before: int | None, limit: int, newest: bool
) -> None:
    ring = make_ring(retention, "e")
    model = Model(retention)
    now = 0.0
    used = 0
    for key, size, wait in steps:
        now += wait
        used += ring.append(now, b"x" * size, key)
        model.append(now, size, key)
    for _ in range(2):
        everything, complete = ring.read(0, None, 1000, False)
        assert [offset for offset, _ in everything] == model.offsets
        assert complete
        assert (ring.head, ring.oldest) == (model.head, model.missed + 1 if retention.conflate else ring.first)
        assert used == ring.cost
        asked = [one for one in everything if one[0] > after and (before is None or one[0] < before)]
        entries, complete = ring.read(after, before, limit, newest)
        assert entries == (asked[len(asked) - min(limit, len(asked)) :] if newest else asked[:limit])
        assert complete is (len(asked) <= limit)
        now += 2
        used -= ring.expire(now)
        model.trim(now, 0)


def test_each_log_gets_its_kind_of_ring() -> None:
    assert type(make_ring(Retention())) is Ring
    assert type(make_ring(Retention(conflate=True))) is ConflatingRing


def test_a_ring_that_expired_says_that_everything_was_missed() -> None:
    ring = Ring(Retention(age=1))
    for _ in range(3):
        ring.append(0.0, b"abc")
    assert ring.expire(2.0) == 3 * (3 + RECORD_COST)
    assert (ring.oldest, ring.head, ring.cost) == (4, 3, 0)


@pytest.mark.parametrize("records", [1000, 100_000])
def test_keys_are_counted_among_the_bytes(records: int) -> None:
    ring = ConflatingRing(Retention(messages=10, conflate=True, keys=20))
    used = sum(ring.append(0.0, b"x", "k" * 100 + str(number % 40)) for number in range(records))
    assert used == ring.cost
    assert used < 30 * 2 * (2 * RECORD_COST + 110)

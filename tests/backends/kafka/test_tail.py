import random

import pytest

from hubbub.backends.kafka.tail import Tail
from hubbub.delivery.retention import Retention
from hubbub.delivery.ring import RECORD_COST


def filled(count: int, retention: Retention | None = None, since: int = 0) -> Tail:
    """Every third offset has a record of ten bytes."""
    tail = Tail(retention or Retention(), since)
    for number in range(1, count + 1):
        tail.append(since + 3 * number, b"%010d" % number)
    return tail


def offsets(
    tail: Tail, after: int = 0, before: int | None = None, limit: int = 9999, newest: bool = False
) -> list[int]:
    return [offset for offset, _ in tail.read(after, before, limit, newest)[0]]


@pytest.mark.parametrize(
    ("after", "before", "limit", "newest", "expected", "complete"),
    [
        (0, None, 9, False, [3, 6, 9, 12], True),
        (3, None, 9, False, [6, 9, 12], True),
        (4, 12, 9, False, [6, 9], True),
        (0, None, 2, False, [3, 6], False),
        (0, None, 2, True, [9, 12], False),
        (0, 10, 2, True, [6, 9], False),
        (12, None, 9, False, [], True),
        (99, 3, 9, True, [], True),
        (0, None, 0, False, [], False),
    ],
)
def test_reading_between_exclusive_bounds(
    after: int, before: int | None, limit: int, newest: bool, expected: list[int], complete: bool
) -> None:
    entries, is_complete = filled(4).read(after, before, limit, newest)
    assert ([offset for offset, _ in entries], is_complete) == (expected, complete)
    assert all(record == b"%010d" % (offset // 3) for offset, record in entries)


def test_what_is_too_much_goes_and_since_says_so() -> None:
    tail = filled(200, Retention(messages=100))
    assert 100 <= len(offsets(tail)) < 164
    assert tail.since == offsets(tail)[0] - 3
    assert tail.last == 600
    assert tail.cost == len(offsets(tail)) * (10 + RECORD_COST)
    tail = filled(200, Retention(size=105))
    assert offsets(tail) == [3 * number for number in range(191, 201)]
    tail.append(1000, b"x" * 5000)
    assert offsets(tail) == [1000], "the newest stays, however large it is"
    assert tail.since == 600


def test_it_grows_backwards_while_there_is_room() -> None:
    tail = filled(2, Retention(messages=5, size=1000), since=100)
    older = [(90, b"old"), (95, b"older"), (103, b"known already")]
    assert tail.extend(80, older) == 8 + 2 * RECORD_COST
    assert (tail.since, offsets(tail), tail.last) == (80, [90, 95, 103, 106], 106)
    assert tail.extend(85, []) == 0
    assert tail.extend(10, [(20, b""), (30, b"")]) == 0, "that would be six"
    assert tail.extend(10, [(20, b"x" * 980)]) == 0, "that would be too large"
    assert tail.since == 80
    assert tail.extend(10, []) == 0
    assert tail.since == 10, "there was nothing"


def test_the_cost_is_what_is_held_whatever_was_done() -> None:
    chance = random.Random(7)
    tail = Tail(Retention(messages=50, size=2000), 1000)
    held = tail.cost
    offset = 1000
    for _ in range(3000):
        offset += chance.randrange(1, 4)
        held += tail.append(offset, b"x" * chance.randrange(100))
        if chance.random() < 0.02:
            held -= tail.clear(tail.last)
            held += tail.extend(tail.since - 5, [(tail.since - 1, b"abc")])
        entries = tail.read(0, None, 9999, False)[0]
        assert held == tail.cost == sum(len(record) + RECORD_COST for _, record in entries)
        assert all(tail.since < place <= tail.last for place, _ in entries)
        assert sum(len(record) for _, record in entries) <= 2000

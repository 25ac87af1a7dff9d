"""Where messages wait, and their order."""

from collections import deque

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hubbub.delivery.link import Quality
from hubbub.delivery.outbox import DISK_LIMIT, LIMIT, Outbox, hold
from hubbub.errors import TryLater


class Disk:
    """A spool in memory."""

    def __init__(self) -> None:
        self.rows: deque[int] = deque()
        self.kept: set[int] = set()

    def __len__(self) -> int:
        return len(self.rows)

    def append(self, item: int) -> None:
        self.rows.append(item)
        self.kept.add(item)

    def take(self, count: int) -> list[int]:
        return [self.rows.popleft() for _ in range(min(count, len(self.rows)))]

    def discard(self, item: int) -> None:
        self.kept.discard(item)
        if item in self.rows:
            self.rows.remove(item)


def drain(outbox: Outbox[int]) -> list[int]:
    found = []
    while (item := outbox.take()) is not None:
        found.append(item)
    return found


def test_slow_is_memory_first_and_disk_past_the_limit() -> None:
    disk = Disk()
    outbox = Outbox(limit=3, spool=disk)
    for number in range(5):
        outbox.add(number, "slow")
    assert (outbox.in_memory, list(disk.rows), len(outbox)) == (3, [3, 4], 5)
    assert outbox.take() == 0
    # There is room in memory, but it would overtake those on disk.
    outbox.add(5, "good")
    assert list(disk.rows) == [3, 4, 5]
    assert drain(outbox) == [1, 2, 3, 4, 5]
    assert LIMIT == 1000


@pytest.mark.parametrize("quality", ["bad", None])
def test_bad_and_none_are_disk_at_once(quality: Quality | None) -> None:
    disk = Disk()
    outbox = Outbox(spool=disk)
    outbox.add(1, quality)
    assert (outbox.in_memory, list(disk.rows)) == (0, [1])
    assert drain(outbox) == [1]
    # It stays on disk until its outcome is known.
    assert disk.kept == {1}
    outbox.discard(1)
    assert disk.kept == set()


@pytest.mark.parametrize("quality", ["good", "slow", "bad", None])
def test_without_a_disk_the_memorys_limit_holds(quality: Quality | None) -> None:
    outbox: Outbox[int] = Outbox(limit=2)
    outbox.add(1, quality)
    outbox.add(2, quality)
    with pytest.raises(TryLater) as raised:
        outbox.add(3, quality, "id")
    assert (raised.value.code, raised.value.message_id) == ("too_many_pending", "id")
    assert drain(outbox) == [1, 2]


def test_the_disk_is_bounded_too() -> None:
    outbox: Outbox[int] = Outbox(disk_limit=2, spool=Disk())
    outbox.add(1, "bad")
    outbox.add(2, "bad")
    with pytest.raises(TryLater):
        outbox.add(3, "bad")
    assert DISK_LIMIT == 100_000


def test_what_nobody_wants_is_not_sent() -> None:
    disk = Disk()
    outbox = Outbox(limit=2, spool=disk)
    for number in range(4):
        outbox.add(number, "slow")
    outbox.withdraw(0)
    outbox.withdraw(3)
    assert drain(outbox) == [1, 2]


def test_how_long_messages_wait_for_others() -> None:
    assert hold("good", 0.05) == 0
    assert hold("slow", 0.3) == 0.3
    assert hold("slow", None) == 0.5
    assert hold("slow", 3.0) == 0.5
    assert hold("bad", 0.7) == 5


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(["good", "slow", "bad", None, "take"]), max_size=60), st.booleans())
def test_the_order_is_kept_in_every_case(steps: list[str | None], has_disk: bool) -> None:
    outbox: Outbox[int] = Outbox(limit=4, disk_limit=20, spool=Disk() if has_disk else None)
    accepted, taken, number = [], [], 0
    for step in steps:
        if step == "take":
            item = outbox.take()
            taken += [] if item is None else [item]
            continue
        try:
            outbox.add(number, step)  # type: ignore[arg-type]
            accepted.append(number)
        except TryLater:
            pass
        number += 1
    assert taken + drain(outbox) == accepted

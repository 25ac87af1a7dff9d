"""What the checker takes for a gap that was told wrongly."""

from __future__ import annotations

import pytest

from hubbub.errors import MessagesMissed
from hubbub.protocol.channels import parse_channel
from hubbub.testing.simulation.checker import NEW_EPOCH, Heard, check
from hubbub.testing.simulation.witness import Record, Truth

ROOM = "room:den"

Event = tuple[str, int] | MessagesMissed


def truth(*places: tuple[str, int]) -> Truth:
    """Records of these epochs and offsets, each with an id that says where it is."""
    found = Truth()
    for epoch, offset in places:
        record = Record(ROOM, epoch, offset, f"{epoch}/{offset}", ROOM, found.count(ROOM))
        found.records.setdefault(ROOM, []).append(record)
        found.by_id[record.message_id] = [record]
    return found


def violations(known: Truth, *events: Event) -> list[str]:
    return check(known, [Heard("ann", parse_channel(ROOM), 0, list(events))], [])


def test_what_was_told_missing_may_not_come() -> None:
    known = truth(("a", 1), ("a", 2), ("a", 3))
    (told,) = violations(known, ("a/1", 1), MessagesMissed(ROOM, 2, 2), ("a/2", 2), ("a/3", 3))
    assert told == "ann on room:den: 2 was told missing (2 to 2), and came"


@pytest.mark.parametrize("before", [(), (("a/1", 1),)])
def test_the_offsets_of_another_epoch_are_others(before: tuple[Event, ...]) -> None:
    known = truth(("a", 1), ("a", 2), ("b", 1), ("b", 2))
    gap, anew = MessagesMissed(ROOM, 1 + len(before), 2), MessagesMissed(ROOM, 1, 0, NEW_EPOCH[0])
    assert violations(known, *before, gap, anew, ("b/1", 1), ("b/2", 2)) == []

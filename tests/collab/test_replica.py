"""An author's copy by itself: splitting, merging, undo, and replicas against a plain server."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from hubbub.collab.changes import ChangeSet
from hubbub.collab.live import map_over
from hubbub.collab.merging import difference
from hubbub.collab.replica import Replica
from hubbub.collab.splitting import split
from hubbub.collab.texts import TextStore
from hubbub.collab.undo import UndoStack
from hubbub.protocol.payloads import Entry
from tests.collab.cases import change_sets, documents, random_changes, random_text, units


@given(st.data(), st.integers(8, 16))
def test_what_is_split_is_the_same_in_parts(data: st.DataObject, most: int) -> None:
    text = data.draw(st.text("ab\n", max_size=20))
    rest: ChangeSet | None = data.draw(change_sets(units(text)))
    assert rest is not None
    wanted = rest.apply(text)
    parts = 0
    while rest is not None:
        part, rest = split(rest, most)
        assert sum(map(len, part.texts)) // 2 <= most
        text = part.apply(text)
        text.encode("utf-16-le")
        parts += 1
        assert parts < 200
    assert text == wanted


@given(documents(30), documents(30))
def test_a_difference_makes_one_text_of_the_other(before: str, after: str) -> None:
    assert difference(before, after).apply(before) == after


def test_a_difference_leaves_lines_alone_that_did_not_change() -> None:
    before = "one\ntwo\nthree\nfour\n"
    changes = difference(before, "ONE\ntwo\nthree\nfive\nsix\n")
    assert changes.to_json() == [[4, "ONE", ""], 10, [5, "five", "six", ""]] or changes.apply(before).startswith("ONE")
    mark = ChangeSet.replace(19, 6, 0, "|")
    assert mark.map(changes, True).apply(changes.apply(before)) == "ONE\ntw|o\nthree\nfive\nsix\n"


@given(st.integers(0, 10_000))
def test_undo_of_everything_leaves_what_others_did(seed: int) -> None:
    """Whatever is typed and taken back by one, the others' text is what it would have been without."""
    rng = random.Random(seed)
    stack, text, alone = UndoStack(), "", ""
    for number in range(8):
        if rng.random() < 0.5:
            place = rng.randint(0, len(text))
            changes = ChangeSet.replace(len(text), place, 0, "m")
            stack.edited(changes, lambda start, end: b"")
        else:
            # Others write digits, each behind the last one.
            place = max((at + 1 for at, character in enumerate(text) if character.isdigit()), default=0)
            changes = ChangeSet.replace(len(text), place, 0, str(number))
            stack.others_edited(changes)
            alone += str(number)
        text = changes.apply(text)
    while True:
        undo = stack.undo(TextStore(text).cut)
        if undo is None:
            break
        text = undo.apply(text)
    assert text == alone
    while (redo := stack.redo(TextStore(text).cut)) is not None:
        text = redo.apply(text)
    assert "".join(character for character in text if character.isdigit()) == alone


@given(st.integers(0, 100_000))
def test_replicas_come_to_the_same_text(seed: int) -> None:
    """Three of them around a list that is the log: edits, deliveries and departures in any order."""
    rng = random.Random(seed)
    replicas = [Replica(lambda changes, author: None) for _ in range(3)]
    for number, replica in enumerate(replicas):
        replica.begin(f"{number:02x}", 0)
        replica.epoch = "e"
    log: list[tuple[Entry, ChangeSet]] = []
    delivered = [0, 0, 0]

    def accept(author: int) -> None:
        flight = replicas[author].depart()
        if flight is None:
            return
        changes = flight.changes
        for entry, other in log[flight.revision :]:
            changes = map_over(changes, f"{author:02x}", other, entry.client_id)
        log.append((Entry(len(log) + 1, f"{author:02x}", flight.seq, changes.to_json()), changes))

    def deliver(to: int, count: int) -> None:
        part = log[delivered[to] : delivered[to] + count]
        replicas[to].receive([entry for entry, _ in part])
        delivered[to] += len(part)

    for _ in range(25):
        author = rng.randrange(3)
        what = rng.random()
        if what < 0.5:
            replicas[author].edit(random_changes(rng, replicas[author].text.length, "ab\n"))
        elif what < 0.7:
            accept(author)
        else:
            deliver(author, rng.randint(1, 3))
    while any(replica.pending for replica in replicas) or any(count < len(log) for count in delivered):
        for author in range(3):
            accept(author)
            deliver(author, len(log))
    assert len({str(replica.text) for replica in replicas}) == 1
    assert all(str(replica.text) == str(replica.confirmed) for replica in replicas)


def test_places_go_between_what_is_seen_and_what_is_confirmed() -> None:
    replica = Replica(lambda changes, author: None)
    replica.begin("0a", 0)
    replica.reset("0123456789", "e", 1, 0)
    replica.edit(ChangeSet.replace(10, 2, 0, "ab"))
    replica.depart()
    replica.edit(ChangeSet.replace(12, 0, 1, ""))
    assert str(replica.text) == "1ab23456789"
    assert [replica.to_text(place) for place in (0, 1, 2, 5)] == [0, 0, 1, 6]
    assert [replica.to_confirmed(place) for place in (0, 1, 3, 6)] == [0, 2, 2, 5]
    assert random_text(random.Random(1), 0) == ""

"""The laws of the algebra. That it is CodeMirror's, `test_codemirror` shows."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubbub.collab.changes import ChangeSet, compose_all
from hubbub.collab.validation import read_changes
from tests.collab.cases import change_sets, documents, random_changes, random_text, units

DATA = st.data()


def read(*parts: object) -> ChangeSet:
    return read_changes(list(parts))


@given(DATA)
def test_composed_is_one_after_the_other(data: st.DataObject) -> None:
    text = data.draw(documents())
    first = data.draw(change_sets(units(text)))
    second = data.draw(change_sets(first.new_length))
    assert first.compose(second).apply(text) == second.apply(first.apply(text))
    assert first.compose(second).length == first.length
    assert first.compose(second).new_length == second.new_length


@given(DATA)
def test_composing_is_associative(data: st.DataObject) -> None:
    text = data.draw(documents())
    first = data.draw(change_sets(units(text)))
    second = data.draw(change_sets(first.new_length))
    third = data.draw(change_sets(second.new_length))
    expected = third.apply(second.apply(first.apply(text)))
    assert first.compose(second).compose(third).apply(text) == expected
    assert first.compose(second.compose(third)).apply(text) == expected
    assert compose_all([first, second, third]).apply(text) == expected


@given(DATA)
def test_an_inverse_takes_it_back(data: st.DataObject) -> None:
    text = data.draw(documents())
    changes = data.draw(change_sets(units(text)))
    inverse = changes.invert(text)
    assert inverse.apply(changes.apply(text)) == text
    assert inverse.invert(changes.apply(text)) == changes


@given(DATA, st.booleans())
def test_two_at_once_come_to_the_same_either_way(data: st.DataObject, before: bool) -> None:
    """TP1, under both orders of a tie."""
    text = data.draw(documents())
    one, other = data.draw(change_sets(units(text))), data.draw(change_sets(units(text)))
    over = one.map(other, before).apply(other.apply(text))
    assert over == other.map(one, not before).apply(one.apply(text))


@given(DATA)
def test_json_there_and_back(data: st.DataObject) -> None:
    changes = data.draw(change_sets(units(data.draw(documents()))))
    assert read_changes(changes.to_json(), changes.length) == changes


@given(DATA, st.sampled_from([-1, 1]))
def test_a_position_goes_where_a_mark_would(data: st.DataObject, assoc: int) -> None:
    """A mark inserted at the position, on its side of what comes there, ends where the position is said to be."""
    text = data.draw(documents())
    length = units(text)
    position = data.draw(st.integers(0, length))
    changes = data.draw(change_sets(length))
    found = changes.map_position(position, assoc)
    assert 0 <= found <= changes.new_length
    if not any(old < position < old + deleted for old, _, deleted, _ in changes.edits()):
        mark = ChangeSet.replace(length, position, 0, "|")
        placed = mark.map(changes, assoc < 0).sections
        assert found == (placed[0] if placed[1] < 0 else 0)
    if position:
        assert changes.map_position(position - 1, assoc) <= found
    with pytest.raises(ValueError, match="outside"):
        changes.map_position(length + 1)


def test_two_inserts_at_one_place_stand_in_the_order_that_was_said() -> None:
    one, other = read(1, [0, "one"], 1), read(1, [0, "other"], 1)
    assert one.map(other, True).apply(other.apply("ab")) == "aoneotherb"
    assert one.map(other, False).apply(other.apply("ab")) == "aotheroneb"


def test_mapping_over_a_composed_batch_may_come_to_something_else() -> None:
    """Why operations are mapped one by one everywhere: the smallest case, and how often it happens."""
    a, b, c = read([0, "a"], 1), read([1]), read([0, "c"])
    one_by_one = a.map(b, True).map(c, False)
    at_once = a.map(b.compose(c), True)
    assert one_by_one.to_json() == [1, [0, "a"]]
    assert at_once.to_json() == [[0, "a"], 1]
    rng = random.Random(1)
    differ = 0
    for _ in range(2000):
        text = random_text(rng, 6)
        first = random_changes(rng, units(text))
        second = random_changes(rng, units(text))
        third = random_changes(rng, second.new_length)
        differ += first.map(second).map(third) != first.map(second.compose(third))
    assert 10 < differ < 400


def test_what_does_not_fit_is_said() -> None:
    for what in (
        lambda: read([5]).map(read(2)),
        lambda: read(2).map(read([5])),
        lambda: read([0, "a"], 2).compose(read(2)),
        lambda: read(2).compose(read([0, "a"])),
        lambda: read(2).apply("abc"),
        lambda: ChangeSet.replace(2, 1, 2, ""),
        lambda: ChangeSet.replace(2, -1, 1, ""),
    ):
        with pytest.raises(ValueError):
            what()


def test_small_things() -> None:
    assert ChangeSet.none(0).to_json() == []
    assert ChangeSet.none(3).to_json() == [3]
    assert ChangeSet.none(3).empty
    assert not read([0, "a"]).empty
    assert ChangeSet.replace(5, 2, 1, "x\ny").to_json() == [2, [1, "x", "y"], 2]
    assert repr(read(1)) == "ChangeSet([1])"
    assert read(1) != [1]

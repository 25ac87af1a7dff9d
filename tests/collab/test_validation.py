from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubbub import BadMessage
from hubbub.collab.changes import ChangeSet
from hubbub.collab.texts import TextStore
from hubbub.collab.validation import _read, check_pairs, read_changes


@pytest.mark.parametrize(
    ("parts", "field"),
    [
        ({}, "payload.operation"),
        ([0], "payload.operation[0]"),
        ([-3], "payload.operation[0]"),
        ([True], "payload.operation[0]"),
        ([1.5], "payload.operation[0]"),
        ([2, None], "payload.operation[1]"),
        (["a"], "payload.operation[0]"),
        ([[]], "payload.operation[0]"),
        ([1, [-1]], "payload.operation[1]"),
        ([["a"]], "payload.operation[0]"),
        ([[0]], "payload.operation[0]"),
        ([[0, ""]], "payload.operation[0]"),
        ([[1, 2]], "payload.operation[0]"),
        ([[1, ["a"]]], "payload.operation[0]"),
        ([[1, "a\nb"]], "payload.operation[0]"),
        ([[1, "a", "b\r"]], "payload.operation[0]"),
        ([[1, "\ud83d"]], "payload.operation[0]"),
        ([[1, "\ud83d", "\ude42"]], "payload.operation[0]"),
        ([4], "payload.operation"),
        ([6], "payload.operation"),
        ([2**53, [2**53]], "payload.operation"),
    ],
)
def test_what_is_no_change_of_the_document(parts: Any, field: str) -> None:
    with pytest.raises(BadMessage) as caught:
        read_changes(parts, 5)
    assert (caught.value.code, caught.value.field) == ("invalid_message", field)


def test_what_is_too_large() -> None:
    assert read_changes([[0, "x" * 32_766]], 0).new_length == 32_766
    for parts in ([[0, "x" * 32_767]], [1, [1]] * 9000, [[0, *["x"] * 20_000]]):
        with pytest.raises(BadMessage) as caught:
            read_changes(parts)
        assert (caught.value.code, caught.value.field) == ("too_large", "payload.operation")


def test_what_is_one() -> None:
    changes = read_changes([1, [2], [0, "a", ""], [1, "🙂"], 1], 5)
    assert changes.to_json() == [1, [2], [0, "a", ""], [1, "🙂"], 1]
    assert (changes.length, changes.new_length) == (5, 6)
    assert read_changes([[2, ""]]).to_json() == [[2]]


PART = st.one_of(
    st.integers(-1, 3),
    st.lists(st.one_of(st.integers(-1, 2), st.sampled_from(["", "a", "🙂", "\n", "\r", "\ud83d"])), max_size=3),
)


@given(st.tuples(PART, PART, PART).map(list), st.sampled_from([0, 6, 7, 8, 100]))
def test_what_a_key_makes_is_read_as_anything_else(parts: Any, most: int) -> None:
    try:
        expected = _read(parts, most)
    except BadMessage as error:
        with pytest.raises(BadMessage) as caught:
            read_changes(parts, most=most)
        assert (caught.value.code, caught.value.reason, caught.value.field) == (error.code, error.reason, error.field)
    else:
        assert read_changes(parts, most=most) == expected


def test_no_pair_is_cut() -> None:
    text = TextStore("a🙂b🙂")
    for position, deleted in [(0, 1), (1, 2), (3, 1), (4, 2), (0, 6), (6, 0), (1, 0)]:
        check_pairs(ChangeSet.replace(6, position, deleted, "x").edits(), text)
    for position, deleted in [(2, 0), (1, 1), (2, 1), (0, 2), (5, 1), (2, 4)]:
        with pytest.raises(BadMessage, match="surrogate pair"):
            check_pairs(ChangeSet.replace(6, position, deleted, "x").edits(), text)

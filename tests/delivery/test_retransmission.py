"""What was sent and waits for its answer."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hubbub.delivery.retransmission import LIMIT, RETRIES, TIMEOUT, Retransmission
from hubbub.errors import TryLater


def table(*ids: str, now: float = 0) -> Retransmission[str]:
    found: Retransmission[str] = Retransmission()
    for id in ids:
        found.add(id, id.upper())
        found.sent(id, now)
    return found


def test_the_numbers_of_the_lesson() -> None:
    assert (TIMEOUT, RETRIES, LIMIT) == (5, 3, 1000)


def test_three_repeats_and_then_it_is_given_up() -> None:
    pending = table("a")
    assert pending.next_due() == 5
    assert pending.due(4.999).again == []
    for second in (5, 10, 15):
        due = pending.due(second)
        assert (due.again, due.given_up) == (["A"], [])
        assert pending.next_due() == second + 5
    due = pending.due(20)
    assert (due.again, due.given_up) == ([], ["A"])
    assert (len(pending), pending.next_due()) == (0, None)


def test_an_answer_ends_it() -> None:
    pending = table("a", "b")
    assert pending.settle("a") == "A"
    assert pending.settle("a") is None
    assert pending.due(5).again == ["B"]
    assert "a" not in pending
    assert list(pending) == [("b", "B")]


def test_there_is_room_for_so_many() -> None:
    pending = table(*map(str, range(1000)))
    assert pending.is_full
    with pytest.raises(TryLater) as raised:
        pending.add("x", "X")
    assert raised.value.code == "too_many_pending"
    pending.settle("5")
    pending.add("x", "X")


def test_the_clock_stands() -> None:
    pending = table("a")
    pending.stand(4)
    pending.stand(9)
    assert pending.next_due() is None
    assert pending.due(1000).again == []
    pending.go(1000)
    pending.go(1001)
    assert pending.next_due() == 1001
    assert pending.due(1000.9).again == []
    assert pending.due(1001).again == ["A"]


def test_what_waits_to_be_sent_has_no_deadline() -> None:
    pending: Retransmission[str] = Retransmission()
    pending.stand(0)
    pending.add("a", "A")
    assert not pending.was_sent("a")
    pending.go(50)
    assert pending.next_due() is None
    assert pending.due(1000).given_up == []
    pending.sent("a", 1000)
    assert pending.was_sent("a")
    assert pending.next_due() == 1005


def test_being_sent_anew_is_no_repeat_but_does_not_go_on_for_ever() -> None:
    pending = table("a", "b")
    for second in range(4, 40, 4):
        pending.sent("a", second)
        pending.due(second)
    assert "a" in pending
    assert "b" not in pending
    assert pending.next_due() == 40
    assert pending.due(40).given_up == ["A"]


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["add", "due", "settle", "stand", "go", "sent"]), st.floats(0, 4)), max_size=80)
)
def test_nothing_is_lost_and_nothing_lives_too_long(steps: list[tuple[str, float]]) -> None:
    """Against a model: everything is in the table, or was settled or given up once, and stays in order."""
    pending: Retransmission[int] = Retransmission()
    now, connected, number = 0.0, 0.0, 0
    standing = False
    born: dict[int, float] = {}
    for step, seconds in steps:
        now += seconds
        connected += 0 if standing else seconds
        if step == "add":
            pending.add(str(number), number)
            if not standing:
                pending.sent(str(number), now)
                born[number] = connected
            number += 1
        elif step == "settle" and number:
            pending.settle(str(number - 1))
        elif step == "stand":
            pending.stand(now)
            standing = True
        elif step == "go":
            pending.go(now)
            standing = False
        elif step == "sent" and not standing:
            for id, item in pending:
                pending.sent(id, now)
                born.setdefault(item, connected)
        due = pending.due(now)
        assert not set(due.again) & set(due.given_up)
        left = [item for _, item in pending]
        assert left == sorted(left)
        assert not set(due.given_up) & set(left)
        assert set(due.again) <= set(left)
        assert all(connected - born[item] < 2 * 20 for item in left if item in born)
        when = pending.next_due()
        assert when is None or when > now - 1e-6

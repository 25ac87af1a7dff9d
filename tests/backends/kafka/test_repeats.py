import itertools

from hubbub.backends.kafka.repeats import Place, Repeats
from hubbub.testing.clock import VirtualClock


def make() -> Repeats:
    return Repeats(VirtualClock(), size=1024, age=3600)


def test_the_first_counts_in_whatever_order_one_hears_of_them() -> None:
    """Two nodes had the same message on their way: it stands at 5 and at 9. An append's answer may come before both."""
    for order in itertools.permutations([5, 9, 5, 9]):
        repeats = make()
        for offset in order:
            repeats.settle(("s", "1"), "a", offset)
        assert repeats.find(("s", "1")) == Place("a", 5)
        assert repeats.note(("s", "1"), "a", 5)
        assert not repeats.note(("s", "1"), "a", 9)
        assert repeats.is_repeat(("s", "1"), "a", 9)
        assert not repeats.is_repeat(("s", "1"), "a", 5)


def test_another_log_or_session_is_another_message() -> None:
    repeats = make()
    assert repeats.note(("s", "1"), "a", 9)
    assert repeats.note(("s", "1"), "b", 5)
    assert repeats.note(("t", "1"), "a", 12)
    assert repeats.find(("s", "1")) == Place("a", 9)
    assert repeats.find(("s", "2")) is None


def test_what_an_ended_session_left_on_its_way_is_not_remembered() -> None:
    repeats = make()
    repeats.welcome("s")
    repeats.forget("s")
    assert not repeats.is_at_home("s")
    assert repeats.note(("s", "1"), "a", 3)
    assert repeats.find(("s", "1")) is None


def test_what_is_known_of_sessions_has_a_bound() -> None:
    repeats = make()
    for number in range(100_001):
        repeats.welcome(f"{number}")
    assert not repeats.is_at_home("0")
    assert repeats.is_at_home("1")
    for number in range(10_001):
        repeats.forget(f"{number}")
    assert len(repeats._forgotten) == 10_000

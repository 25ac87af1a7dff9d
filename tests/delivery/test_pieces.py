import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubbub.delivery.pieces import PieceJoiner, Transfer, cut
from hubbub.errors import BadMessage


@given(st.binary(max_size=100_000), st.randoms())
def test_what_is_cut_is_joined_in_any_order_and_with_repeats(content: bytes, random: object) -> None:
    pieces = list(cut(content, "x/y"))
    random.shuffle(pieces)  # type: ignore[attr-defined]
    joiner = PieceJoiner()
    joined = [joiner.add("ann", piece, 0.0) for piece in [*pieces[:-1], *pieces[:-1], pieces[-1]]]
    assert joined[:-1] == [None] * (len(joined) - 1)
    assert isinstance(joined[-1], Transfer)
    assert joined[-1].content == content


def test_two_senders_do_not_mix() -> None:
    joiner = PieceJoiner()
    one, two = cut(b"x" * 40_000, "x/y")
    assert joiner.add("ann", one, 0) is None
    assert joiner.add("bob", two, 0) is None


def test_limits() -> None:
    pieces = list(cut(b"x" * 100_000, "x/y"))
    joiner = PieceJoiner(limit=70_000)
    assert joiner.add("ann", pieces[0], 0) is None
    assert joiner.add("ann", pieces[1], 0) is None
    with pytest.raises(BadMessage) as raised:
        joiner.add("ann", pieces[2], 0)
    assert raised.value.code == "too_large"

    patient = PieceJoiner(patience=10, transfers=2)
    one, two = cut(b"x" * 40_000, "x/y")
    patient.add("ann", one, 0)
    assert patient.add("ann", two, 11) is None, "the first piece was given up"
    for sender in ("a", "b", "c"):
        patient.add(sender, one, 20)
    assert patient.add("a", two, 20) is None, "the oldest made room"
    assert patient.add("c", two, 20) is not None


def test_pieces_that_do_not_fit() -> None:
    first, second = cut(b"x" * 40_000, "x/y")
    joiner = PieceJoiner()
    joiner.add("ann", first, 0)
    second.index = 7
    with pytest.raises(BadMessage):
        joiner.add("ann", second, 0)

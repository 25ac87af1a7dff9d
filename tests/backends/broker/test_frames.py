"""Frames, cut anywhere."""

import pytest

from hubbub.backends.broker.frames import MAX_FRAME, Incoming, Outgoing


def test_what_goes_out_in_a_turn_is_one_write() -> None:
    woken = []
    outgoing = Outgoing(lambda: woken.append(1))
    for body in (b"a", b"", b"c" * 300):
        outgoing.add(body)
    data = outgoing.take()
    assert list(Incoming().feed(data)) == [b"a", b"", b"c" * 300]
    assert (woken, outgoing.take()) == ([1], b"")
    outgoing.add(b"d")
    assert woken == [1, 1]


@pytest.mark.parametrize("step", [1, 2, 3, 7, 1000])
def test_however_it_comes(step: int) -> None:
    bodies = [bytes([number]) * number for number in range(60)]
    outgoing = Outgoing(lambda: None)
    for body in bodies:
        outgoing.add(body)
    data = outgoing.take()
    incoming = Incoming()
    found = [body for place in range(0, len(data), step) for body in incoming.feed(data[place : place + step])]
    assert found == bodies


def test_what_is_too_large_is_refused_before_it_comes() -> None:
    with pytest.raises(ValueError, match="a frame of"):
        list(Incoming().feed((MAX_FRAME + 1).to_bytes(4, "big")))

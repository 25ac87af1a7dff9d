"""The books tell what went wrong: otherwise the tests beside this one would prove nothing."""

from __future__ import annotations

from unittest.mock import Mock

import pytest

from tests.chaos.crowd import Crowd, Member, Sent

ONE, TWO, THREE = ("a", 1), ("b", 1), ("a", 2)


def crowd_of(received: list[tuple[int, Sent]]) -> Crowd:
    """`a` has everything, `b` what is given. All three messages were acknowledged."""
    crowd = Crowd(0, 1)
    complete = [(1, ONE), (2, TWO), (3, THREE)]
    for name, book in (("a", complete), ("b", received)):
        member = Member(
            name, "room:x", ack=False, codec="json", client=Mock(), received=book, connections=1, sessions=1
        )
        member.acknowledged = {sent: offset for offset, sent in complete if sent[0] == name}
        crowd.members.append(member)
    return crowd


@pytest.mark.parametrize(
    ("received", "wrong"),
    [
        ([(1, ONE), (2, TWO), (3, THREE)], set()),
        ([(1, ONE), (2, TWO), (3, THREE), (9, ("a", 3))], set()),
        ([(1, ONE), (3, THREE)], {"lost"}),
        ([], {"lost"}),
        ([(1, ONE), (2, TWO), (2, TWO), (3, THREE)], {"duplicate"}),
        ([(1, ONE), (2, TWO), (3, THREE), (4, ONE)], {"duplicate", "misplaced"}),
        ([(2, TWO), (1, ONE), (3, THREE)], {"reordered"}),
        ([(1, THREE), (2, TWO), (3, ONE)], {"reordered", "misplaced"}),
    ],
)
def test_every_kind_of_wrong_is_seen(received: list[tuple[int, Sent]], wrong: set[str]) -> None:
    assert set(crowd_of(received).judge().wrong) == wrong


def test_what_is_gone_by_notice_is_wrong_too() -> None:
    crowd = crowd_of([(1, ONE), (2, TWO), (3, THREE)])
    crowd.members[1].missed.append("messages 4 to 5 will not come")
    assert set(crowd.judge().wrong) == {"missed"}

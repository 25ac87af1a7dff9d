"""What is published of an append, and what is not of that form."""

import pytest

from hubbub.backends.redis.live import parse_live


def test_one_record_is_whatever_follows_the_line() -> None:
    assert parse_live(b"1:abc:7:5\na\n:,b") == ("abc", ((7, b"a\n:,b"),))
    assert parse_live(b"1:abc:7:0\n") == ("abc", ((7, b""),))


def test_several_records_have_offsets_in_a_row() -> None:
    assert parse_live(b"1:abc:7:1,0,3\nxa\nb") == ("abc", [(7, b"x"), (8, b""), (9, b"a\nb")])


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n",
        b"2:abc:7:1\nx",
        b"1:abc:7\nx",
        b"1:abc:7:1:new\nx",
        b"1:abc:seven:1\nx",
        b"1:abc:7:x\nx",
        b"1:abc:7:2\nx",
        b"1:abc:7:1,1\nx",
        b"1:abc:7:1,1\nxyz",
        b"1:\xff:7:1\nx",
    ],
)
def test_what_is_of_another_form_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError):
        parse_live(data)

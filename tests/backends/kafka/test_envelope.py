from typing import Any

import pytest
from confluent_kafka import Message

from hubbub.backends.kafka.envelope import Arrival, make_headers, open_message


def carried(**fields: Any) -> Message:
    """A record as it came from partition 3, at Kafka's offset 7."""
    return Message(**{"topic": "t", "partition": 3, "offset": 7, "key": b"room:a", "value": b"record", **fields})


def test_what_is_sent_is_what_comes() -> None:
    message = carried(headers=make_headers("s 1", "AB\ncd"), key="room:é".encode())
    assert open_message(message) == Arrival(3, 8, "room:é", ("s 1", "ab\ncd"), b"record")
    assert open_message(carried(headers=make_headers("", "AB"), value=None)) == Arrival(3, 8, "room:a", None, b"")


@pytest.mark.parametrize(
    "fields",
    [
        {"headers": None},
        {"headers": []},
        {"headers": [("trace", b"x"), ("hubbub", b"")]},
        {"headers": make_headers("s", "1"), "key": None},
    ],
)
def test_what_is_not_hubbubs_is_nobodys(fields: dict[str, Any]) -> None:
    assert open_message(carried(**fields)) is None


def test_bytes_that_are_no_text_harm_nobody() -> None:
    arrival = open_message(carried(headers=[("hubbub", b"\xff\n\xfe\n")], key=b"\xff"))
    assert arrival == Arrival(3, 8, "\ufffd", ("\ufffd", "\ufffd\n"), b"record")

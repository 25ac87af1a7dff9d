"""What a client can be told, and what it refuses."""

import pytest

import hubbub
from hubbub.client.options import ClientOptions, Options


def test_options_are_checked_and_the_keywords_are_theirs() -> None:
    assert list(Options.__annotations__) == list(ClientOptions.__struct_fields__)
    for option, value in {
        "codec": "xml",
        "patience": 0,
        "ack_timeout": -1,
        "max_pending": 0,
        "ack_retries": -1,
        "max_reconnect_attempts": -1,
        "outbox_limit": 0,
    }.items():
        with pytest.raises(hubbub.ConfigurationError) as raised:
            hubbub.connect("ws://hub/ws", **{option: value})  # type: ignore[arg-type]
        assert raised.value.setting == option
    with pytest.raises(TypeError):
        hubbub.connect("ws://hub/ws", colour="red")  # type: ignore[call-arg]

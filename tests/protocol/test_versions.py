"""Versions compare as numbers, and both sides speak the lower of the two."""

from __future__ import annotations

import pytest

from hubbub.errors import BadMessage
from hubbub.protocol.versions import (
    HIGHEST,
    LOWEST,
    SUPPORTED,
    ProtocolVersion,
    check_supported,
    negotiate,
    parse_version,
)


def test_they_compare_as_numbers() -> None:
    assert parse_version("1.10") > parse_version("1.9")
    assert parse_version("2.0") > parse_version("1.999999999")
    assert parse_version("1.0") == ProtocolVersion(1, 0)


@pytest.mark.parametrize("text", ["0.0", "1.0", "1.2", "10.20", "999999999.999999999"])
def test_versions_are_written_as_they_are_read(text: str) -> None:
    assert str(parse_version(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        *("", "1", "1.", ".1", "1.2.3", "01.2", "1.02", "+1.2", "1.-2", " 1.2", "1.2\n", "1.x", "1,2", "1.٢"),
        *("1e1.0", "1.1000000000", "x" * 100_000),
    ],
)
def test_malformed_versions(text: str) -> None:
    with pytest.raises(BadMessage) as caught:
        parse_version(text)
    assert (caught.value.code, caught.value.field) == ("invalid_message", "version")
    assert len(caught.value.reason) < 100


@pytest.mark.parametrize(
    ("theirs", "spoken"), [("1.0", "1.0"), ("1.1", "1.1"), ("1.2", "1.2"), ("1.3", "1.2"), ("1.10", "1.2")]
)
def test_the_lower_of_the_two_is_spoken(theirs: str, spoken: str) -> None:
    assert negotiate(parse_version(theirs)) == parse_version(spoken)


@pytest.mark.parametrize("theirs", ["0.9", "2.0", "3.1"])
def test_another_major_is_not_spoken(theirs: str) -> None:
    with pytest.raises(BadMessage) as caught:
        negotiate(parse_version(theirs))
    assert (caught.value.code, caught.value.field) == ("unsupported_version", "version")
    assert "1.0, 1.1, 1.2" in caught.value.reason


def test_messages_of_supported_versions_only() -> None:
    assert (LOWEST, ProtocolVersion(1, 1), HIGHEST) == SUPPORTED
    for version in SUPPORTED:
        check_supported(version)
    for text in ("0.9", "1.3", "1.10", "2.0"):
        with pytest.raises(BadMessage) as caught:
            check_supported(parse_version(text))
        assert caught.value.code == "unsupported_version"

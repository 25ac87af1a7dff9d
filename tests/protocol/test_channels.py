"""Channels, their logs, and topic patterns."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubbub.errors import BadMessage
from hubbub.protocol.channels import check_id, is_valid_user, parse_channel, topic_matches


@pytest.mark.parametrize(
    ("text", "kind", "name", "log"),
    [
        ("room:lobby", "room", "lobby", "room:lobby"),
        ("room:a:b", "room", "a:b", "room:a:b"),
        ("room:*", "room", "*", "room:*"),
        ("user:ann", "user", "ann", "user:ann"),
        ("doc:1", "doc", "1", "doc:1"),
        ("group:vips", "group", "vips", "all"),
        ("all", "all", "", "all"),
        ("topic:a", "topic", "a", "topic:a"),
        ("topic:a.b.c", "topic", "a.b.c", "topic:a"),
    ],
)
def test_channels_and_their_logs(text: str, kind: str, name: str, log: str) -> None:
    channel = parse_channel(text)
    assert (channel.text, channel.kind, channel.id, channel.log) == (text, kind, name, log)
    assert not channel.is_pattern


@pytest.mark.parametrize("text", ["topic:a.*", "topic:a.**", "topic:a.*.b", "topic:a.*.**", "topic:a.*.*"])
def test_patterns(text: str) -> None:
    channel = parse_channel(text)
    assert channel.is_pattern
    assert channel.log == "topic:a"


@pytest.mark.parametrize(
    "text",
    [
        *("", "lobby", "room", "room:", "all:", "all:x", "Room:x", "rooms:x", ":x", " room:x"),
        *("topic:", "topic:.", "topic:a.", "topic:.a", "topic:a..b", "topic:*", "topic:**", "topic:*.a"),
        *("topic:a*", "topic:a.b*", "topic:a.***", "topic:a.**.b", "topic:a.**.**"),
        *("room:a\n", "room:\x00", "room:\x7f", "room:\x9f", "room:\ud800", "user:\t"),
        *("room:" + "x" * 256, "room:" + "ä" * 128, "topic:a." + "x" * 254),
    ],
)
def test_channels_of_no_kind(text: str) -> None:
    with pytest.raises(BadMessage) as caught:
        parse_channel(text)
    assert (caught.value.code, caught.value.field) == ("invalid_channel", "channel")


def test_ids_may_have_255_bytes() -> None:
    for name in ("x" * 255, "ä" * 127 + "x", "😀" * 63):
        check_id(name)
        assert is_valid_user(name)
    assert not is_valid_user("x" * 256)
    assert not is_valid_user("")


@pytest.mark.parametrize(
    ("pattern", "topic", "matches"),
    [
        ("a", "a", True),
        ("a", "a.b", False),
        ("a.b", "a.b", True),
        ("a.*", "a", False),
        ("a.*", "a.b", True),
        ("a.*", "a.b.c", False),
        ("a.*.c", "a.b.c", True),
        ("a.*.c", "a.b.d", False),
        ("a.**", "a", False),
        ("a.**", "a.b", True),
        ("a.**", "a.b.c", True),
        ("a.**", "b.c", False),
        ("a.*.**", "a.b", False),
        ("a.*.**", "a.b.c.d", True),
    ],
)
def test_matching(pattern: str, topic: str, matches: bool) -> None:
    assert topic_matches(pattern, topic) is matches


_SEGMENT = st.sampled_from(["a", "b", "ab"])


@given(
    st.lists(st.one_of(_SEGMENT, st.just("*")), min_size=1, max_size=4),
    st.booleans(),
    st.lists(_SEGMENT, min_size=1, max_size=5),
)
def test_matching_is_what_a_regular_expression_says(pattern: list[str], open_end: bool, topic: list[str]) -> None:
    wanted = [*pattern, "**"] if open_end else pattern
    expression = r"\.".join({"*": r"[^.]+", "**": r".+"}.get(part, part) for part in wanted)
    expected = re.fullmatch(expression, ".".join(topic)) is not None
    assert topic_matches(".".join(wanted), ".".join(topic)) is expected

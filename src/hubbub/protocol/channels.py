"""Channels, the logs behind them, and topic patterns (docs/protocol.md section 5)."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal, NamedTuple

import msgspec

from hubbub.errors import BadMessage
from hubbub.protocol.limits import MAX_CHANNEL

Kind = Literal["room", "topic", "user", "group", "all", "doc"]

_to_json = msgspec.json.Encoder().encode
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]").search
_KINDS: frozenset[str] = frozenset({"room", "topic", "user", "group", "doc"})


class Channel(NamedTuple):
    """A destination. `log` is where its records stand: `text` itself but for topics and groups.

    `json` is `text` as JSON, ready for frames.
    """

    text: str
    kind: Kind
    id: str
    log: str
    is_pattern: bool
    json: bytes


@lru_cache(maxsize=8192)
def parse_channel(text: str) -> Channel:
    """The channel that `text` names. Raises `BadMessage` (`invalid_channel`)."""
    if text == "all":
        return Channel(text, "all", "", "all", False, _to_json(text))
    kind, colon, name = text.partition(":")
    if not colon or kind not in _KINDS:
        raise _invalid("a channel is all, room:ID, topic:a.b, user:ID, group:ID or doc:ID")
    check_id(name)
    if kind == "topic":
        return _parse_topic(text, name)
    if kind == "group":
        return Channel(text, "group", name, "all", False, _to_json(text))
    return Channel(text, kind, name, text, False, _to_json(text))  # type: ignore[arg-type]


def check_id(name: str) -> None:
    """Raises `BadMessage` (`invalid_channel`) unless `name` can be the id of a channel.

    An id has 1 to 255 bytes of UTF-8 and no control characters.
    """
    if not name:
        raise _invalid("the id is empty")
    if _CONTROL(name):
        raise _invalid("the id has control characters or lone surrogates")
    if len(name.encode()) > MAX_CHANNEL:
        raise _invalid(f"the id is over {MAX_CHANNEL} bytes")


def is_valid_user(name: str) -> bool:
    """Whether a user may be called so; the same rule as for ids, since `user:ID` is a channel."""
    try:
        check_id(name)
    except BadMessage:
        return False
    return True


def _parse_topic(text: str, name: str) -> Channel:
    segments = name.split(".")
    if "" in segments:
        raise _invalid("a topic has no empty segment")
    for place, segment in enumerate(segments):
        if "*" not in segment:
            continue
        if segment not in {"*", "**"}:
            raise _invalid("`*` stands for a whole segment")
        if place == 0:
            raise _invalid("the first segment of a topic is literal")
        if segment == "**" and place != len(segments) - 1:
            raise _invalid("`**` only stands last")
    return Channel(text, "topic", name, f"topic:{segments[0]}", "*" in name, _to_json(text))


def topic_matches(pattern: str, topic: str) -> bool:
    """Whether the topic id falls under the pattern id: `*` is one segment, a last `**` one or more.

    >>> topic_matches("a.*", "a.b"), topic_matches("a.*", "a.b.c"), topic_matches("a.**", "a.b.c")
    (True, False, True)
    """
    wanted = pattern.split(".")
    given = topic.split(".")
    if wanted[-1] == "**":
        wanted.pop()
        if len(given) <= len(wanted):
            return False
        given = given[: len(wanted)]
    return len(wanted) == len(given) and all(w in ("*", g) for w, g in zip(wanted, given, strict=True))


def _invalid(reason: str) -> BadMessage:
    return BadMessage("invalid_channel", reason, field="channel")

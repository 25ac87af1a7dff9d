"""A catalogue with registered types, and one valid message of every type, as JSON trees."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, NotRequired, TypedDict

from msgspec import UNSET, Meta, Struct, UnsetType

from hubbub.protocol.catalog import Catalog
from hubbub.protocol.wire import Wire

Json = dict[str, Any]

UUID = "a1b2c3d4-1111-4222-8333-0123456789ab"
NOW = 1_763_960_000_123


class Point(Struct):
    x: float
    y: float


class Move(Struct):
    """A struct, with another one within, free values and a field of a later version."""

    to: Point
    steps: Annotated[int, Meta(ge=1)]
    extra: Any = None
    speed: Annotated[float | UnsetType, Meta(extra={"since": "1.2"})] = UNSET


@dataclass
class Vote:
    choice: str
    weight: int = 1


class Note(TypedDict):
    title: str
    tags: NotRequired[list[str]]
    colour: NotRequired[Annotated[str, Meta(extra={"since": "1.1", "older": "ignore"})]]


def make_catalog(*, accept_unknown: bool = False) -> Catalog:
    """A catalogue to which each kind of payload is registered."""
    catalog = Catalog(accept_unknown=accept_unknown)
    catalog.register("move", Move)
    catalog.register("vote", Vote)
    catalog.register("team.note", Note, ephemeral=True)
    return catalog


def make_wire(*, accept_unknown: bool = False) -> Wire:
    return Wire(make_catalog(accept_unknown=accept_unknown))


def envelope(kind: str, **fields: Any) -> Json:
    """An application message of this type."""
    return {"messageId": UUID, "timestamp": NOW, "type": kind, "sender": "ann", **fields}


def nested(levels: int) -> Any:
    """An object that is this many levels of objects deep."""
    value: Any = {}
    for _ in range(levels - 1):
        value = {"a": value}
    return value


_POSITION = {"epoch": "e1", "offset": 7}

SAMPLES: dict[str, Json] = {
    sample["type"]: sample
    for sample in (
        envelope(
            "text",
            channel="room:lobby",
            offset=3,
            version="1.2",
            payload={"content": "Hello", "mentions": ["bob"]},
            metadata={"color": "red"},
        ),
        envelope("image", payload={"url": "https://example.org/a.png", "width": 1, "height": 2**31 - 1}),
        envelope("file", payload={"url": "http://example.org", "size": 2**53 - 1, "mimeType": ""}),
        envelope(
            "command",
            channel="room:lobby",
            payload={"action": "join", "target": "bob", "position": _POSITION, "ack": False},
        ),
        envelope(
            "data",
            payload={"transferId": "t", "index": 0, "count": 1, "mimeType": "text/plain", "chunk": "aGk="},
        ),
        envelope("move", payload={"to": {"x": 1.5, "y": 2}, "steps": 3, "extra": [None, {"a": "b"}]}),
        envelope("vote", payload={"choice": "yes", "weight": 2}),
        envelope("team.note", payload={"title": "t", "tags": [], "colour": "blue"}),
        {"type": "hello", "version": "1.1", "payload": {"user": "ann", "profile": {"age": 7, "x": [1.5]}}},
        {
            "type": "welcome",
            "version": "1.1",
            "sessionId": "s",
            "connectionId": "c",
            "payload": {
                "user": "ann",
                "node": "n1",
                "heartbeat_ms": 25000,
                "limits": {"message": 65536},
                "positions": {"all": _POSITION},
            },
        },
        {
            "type": "restore_session",
            "sessionId": "s",
            "connectionId": "c",
            "payload": {"positions": {"room:a": _POSITION}, "token": "t"},
        },
        {
            "type": "session_restored",
            "sessionId": "s",
            "connectionId": "d",
            "payload": {"channels": {"room:a": {"recovered": True, **_POSITION}}},
        },
        {"type": "refresh", "messageId": UUID, "payload": {"token": "t"}},
        {"type": "ping", "messageId": UUID, "payload": {"n": 1, "deep": {"a": [True, None]}}},
        {"type": "pong", "messageId": UUID},
        {
            "type": "migrate",
            "payload": {"url": "wss://b", "ticket": "t", "delay_ms": 10, "deadline_ms": 5000},
        },
        {"type": "subscribe", "channel": "topic:a.*", "payload": {"position": _POSITION, "ack": True}},
        {"type": "unsubscribe", "messageId": UUID, "payload": {"subscriptionId": "1"}},
        {"type": "subscribed", "channel": "topic:a", "payload": _POSITION},
        {"type": "unsubscribed", "channel": "topic:a"},
        {
            "type": "ack",
            "messageId": UUID,
            "channel": "room:a",
            "offset": 9,
            "epoch": "e1",
            "payload": {"count": 1, "members": ["ann"], "recovered": True},
        },
        {"type": "position", "payload": {"positions": {"all": _POSITION}}},
        {
            "type": "gap",
            "channel": "room:a",
            "payload": {"epoch": "e", "from": 1, "to": 2, "reason": "retention"},
        },
        {
            "type": "history",
            "messageId": UUID,
            "messages": [envelope("text", offset=1, payload={"content": "Hi"}), envelope("vote")],
            "payload": {"epoch": "e", "complete": True},
        },
        {"type": "presence", "channel": "room:a", "payload": {"event": "join", "user": "ann", "count": 2}},
        {"type": "system", "payload": {"content": "soon", "level": "info"}},
        {
            "type": "error",
            "messageId": UUID,
            "code": "rate_limited",
            "reason": "",
            "payload": {"number": 130, "retry_after_ms": 100},
        },
        {
            "type": "join",
            "messageId": UUID,
            "channel": "doc:a",
            "documentId": "a",
            "clientId": "0a",
            "payload": {"position": _POSITION},
        },
        {
            "type": "joined",
            "channel": "doc:a",
            "documentId": "a",
            "clientId": "0a",
            "payload": {"recovered": True, **_POSITION, "seq": 3},
        },
        {
            "type": "init",
            "channel": "doc:a",
            "payload": {
                "document": {"content": "a\nb", "revision": 7, "epoch": "e1", "transform": "codemirror-changeset/1"},
                "cursors": [
                    {
                        "clientId": "0b",
                        "user": "bob",
                        "cursor": {"anchor": 0, "head": 2},
                        "revision": 7,
                        "name": "Bob",
                        "colour": "#a00",
                    }
                ],
            },
        },
        {
            "type": "operation",
            "messageId": UUID,
            "channel": "doc:a",
            "payload": {"operation": [1, [2], [0, "x", ""], 3], "revision": 7, "seq": 1},
        },
        {
            "type": "operations",
            "channel": "doc:a",
            "payload": {
                "operations": [
                    {
                        "revision": 8,
                        "clientId": "0b",
                        "seq": 1,
                        "operation": [[0, "x"]],
                        "user": "bob",
                        "timestamp": NOW,
                    },
                    {"revision": 9, "clientId": "0a", "seq": 4},
                ]
            },
        },
        {
            "type": "cursor",
            "channel": "doc:a",
            "clientId": "0b",
            "payload": {"cursor": {"anchor": 1, "head": 1}, "revision": 9, "name": "Bob", "colour": "#a00"},
        },
    )
}

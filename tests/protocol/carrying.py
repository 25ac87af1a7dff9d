"""What must survive which codec."""

from __future__ import annotations

import json
from typing import Any

from hubbub.protocol.messages import Message
from hubbub.protocol.validation import as_strings
from hubbub.protocol.wire import Wire

Json = dict[str, Any]


def assert_carried(wire: Wire, message: Message) -> None:
    """A message that was accepted is the same after each codec, and after one and the other."""
    assert wire.json.decode(wire.json.encode(message)) == message
    through = wire.protobuf.decode(wire.protobuf.encode(message))
    assert tree(wire, through) == _as_protobuf_has_it(tree(wire, message))
    assert wire.protobuf.decode(wire.protobuf.encode(through)) == through
    assert wire.json.decode(wire.json.encode(through)) == through


def tree(wire: Wire, message: Message) -> Json:
    """The message as the JSON that is sent of it."""
    found: Json = json.loads(wire.json.encode(message))
    return found


def _as_protobuf_has_it(message: Json) -> Json:
    """Without the two things that proto3 does not tell: an empty `metadata`, and what was no string in it."""
    out = dict(message)
    if metadata := out.pop("metadata", None):
        out["metadata"] = as_strings(metadata)
    if message["type"] == "history":
        # An empty list and none are the same in proto3: an answer, which says `complete`, has a list.
        found = [_as_protobuf_has_it(each) for each in message.get("messages", [])]
        out.pop("messages", None)
        if found or "complete" in out.get("payload", {}):
            out["messages"] = found
    return out

"""What the fuzzer tries, and what must hold of it: the codecs parse or raise `BadMessage`, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

from hubbub.errors import BadMessage
from hubbub.protocol.messages import Message
from hubbub.protocol.wire import Wire
from tests.protocol.samples import SAMPLES, make_wire

CODECS: Final = ("json", "protobuf")

# With a default handler, and without: each has paths of its own.
_WIRES: Final = (make_wire(), make_wire(accept_unknown=True))


def seeds(codec: str) -> list[bytes]:
    """One good message of every type, to start from."""
    wire = _WIRES[0]
    messages = [wire.json.decode(json.dumps(sample)) for sample in SAMPLES.values()]
    return [wire.json.encode(each) if codec == "json" else wire.protobuf.encode(each) for each in messages]


def attempt(codec: str, data: bytes) -> None:
    """Raises whatever a codec should not have raised, or `AssertionError`, for these bytes from a peer."""
    for wire in _WIRES:
        if codec == "protobuf":
            _attempt(wire, wire.protobuf.decode, data)
        else:
            _attempt(wire, wire.json.decode, data)
            # A transport may hand over text, too; a careless one with surrogates in it.
            _attempt(wire, wire.json.decode, data.decode("utf-8", "surrogateescape"))


def _attempt(wire: Wire, decode: Callable[[Any], Message], data: str | bytes) -> None:
    try:
        message = decode(data)
    except BadMessage as error:
        _check_answer(error)
    else:
        assert isinstance(message, Message)
        _check_carried(wire, message)


def _check_answer(error: BadMessage) -> None:
    """The answer is short and can be sent, whatever the peer wrote."""
    assert 100 <= error.number <= 105
    answer = json.dumps([error.reason, error.field, error.message_id], ensure_ascii=False)
    assert len(answer.encode()) < 1600


def _check_carried(wire: Wire, message: Message) -> None:
    """What was accepted is encoded by both codecs, and accepted again by both, without further change."""
    assert wire.json.decode(wire.json.encode(message)) == message
    through = wire.protobuf.decode(wire.protobuf.encode(message))
    assert wire.protobuf.decode(wire.protobuf.encode(through)) == through
    assert wire.json.decode(wire.json.encode(through)) == through

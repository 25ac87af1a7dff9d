"""`python -m tests.vectors.messages` writes the Protobuf of every message in protocol/vectors/messages.json anew."""

from __future__ import annotations

import base64
import json
from typing import Any

from hubbub.protocol import websocket_pb2 as pb
from hubbub.protocol.catalog import Catalog
from hubbub.protocol.wire import Wire
from tests.vectors.script import VECTORS

FILE = VECTORS / "messages.json"
WIRE = Wire(Catalog(accept_unknown=True))


def load() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(FILE.read_text(encoding="utf-8"))
    return found


def canonical(data: bytes) -> bytes:
    """The same message with the keys of its maps in order."""
    return pb.WebSocketMessage.FromString(data).SerializeToString(deterministic=True)


def protobuf_of(message: dict[str, Any]) -> str:
    """What the codec makes of it, as base64."""
    return base64.b64encode(canonical(WIRE.protobuf.encode(WIRE.json.convert(message)))).decode()


def main() -> None:
    lines = [json.dumps({**vector, "protobuf": protobuf_of(vector["json"])}, ensure_ascii=False) for vector in load()]
    FILE.write_text("[\n  " + ",\n  ".join(lines) + "\n]\n", encoding="utf-8")


if __name__ == "__main__":
    main()

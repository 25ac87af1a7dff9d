"""Every type of message in both codecs, as the golden vectors have it."""

from __future__ import annotations

import base64
import json
from typing import Any

import msgspec
import pytest

from hubbub.protocol.catalog import Catalog
from tests.vectors.messages import WIRE, canonical, load

VECTORS = load()


@pytest.mark.parametrize("vector", VECTORS, ids=[vector["name"] for vector in VECTORS])
def test_both_codecs_carry_it(vector: dict[str, Any]) -> None:
    from_json = WIRE.json.decode(json.dumps(vector["json"]))
    data = base64.b64decode(vector["protobuf"])
    assert WIRE.protobuf.decode(data) == from_json
    assert canonical(WIRE.protobuf.encode(from_json)) == data
    assert json.loads(WIRE.json.encode(from_json)) == vector["json"]
    assert msgspec.to_builtins(from_json, str_keys=True) == vector["json"]


def test_every_type_is_there() -> None:
    assert {cls.type for cls in Catalog()} <= {vector["json"]["type"] for vector in VECTORS}

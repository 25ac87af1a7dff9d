"""hypothesis strategies made from the published schema, one for each type of message.

hypothesis-jsonschema cannot resolve a recursive `$ref`, nor choose well among thirty if/then, so that the
schema is unfolded here: the branch of one type, its references written out. Sizes are kept small, or
generating would take all the time: two fields more than the schema knows, and free values two levels deep.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from hypothesis import strategies as st
from hypothesis_jsonschema import from_schema

from hubbub.protocol.limits import MAX_SAFE_INTEGER
from hubbub.protocol.schema import json_schema
from tests.protocol.samples import SAMPLES, make_catalog

Json = dict[str, Any]

SCHEMA: Json = json_schema(make_catalog())

_SCALAR: Json = {
    "type": ["null", "boolean", "string", "number"],
    "minimum": -MAX_SAFE_INTEGER,
    "maximum": MAX_SAFE_INTEGER,
}
_FREE: Json = {
    **_SCALAR,
    "type": [*_SCALAR["type"], "array", "object"],
    "items": _SCALAR,
    "maxItems": 3,
    "additionalProperties": _SCALAR,
    "maxProperties": 3,
}


@cache
def messages(kind: str) -> st.SearchStrategy[Json]:
    """Messages of this type as the schema has them, with unknown fields."""
    return from_schema(unfolded(kind), allow_x00=True)


def any_message() -> st.SearchStrategy[Json]:
    """Messages of every type."""
    return st.sampled_from(sorted(SAMPLES)).flatmap(messages)


def branch_of(kind: str) -> Json:
    """What the schema demands of messages of this type."""
    (branch,) = (each["then"] for each in SCHEMA["allOf"] if each["if"]["properties"]["type"]["const"] == kind)
    return dict(branch)


def unfolded(kind: str) -> Any:
    """The schema of this type alone, without references."""
    branch = branch_of(kind)
    properties = {**SCHEMA["properties"], "type": {"const": kind}, **branch["properties"]}
    return _written_out(
        {
            "type": "object",
            "properties": properties,
            "required": ["type", *branch.get("required", [])],
        }
    )


def _written_out(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_written_out(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("$ref") == "#/definitions/freeValue":
        return _FREE
    if "$ref" in schema:
        return _written_out(SCHEMA["definitions"][schema["$ref"].rpartition("/")[2]])
    if schema.get("items", {}) == {"allOf": [{"$ref": "#"}, {"not": _is_history()}]}:
        return {"type": "array", "items": unfolded("text"), "maxItems": 2}
    out = {key: _written_out(value) for key, value in schema.items()}
    if out.get("type") == "object":
        out.setdefault("additionalProperties", _SCALAR)
        out["maxProperties"] = len(out.get("properties", ())) + 2
    if out.get("format") == "uuid":
        # The pattern says it all: generating for it is quick, filtering by all three is not.
        out = {"type": "string", "pattern": out["pattern"].replace("$", r"\Z")}
    return out


def _is_history() -> Json:
    return {"properties": {"type": {"const": "history"}}, "required": ["type"]}

"""From the JSON Schema that msgspec makes (2020-12) to draft-07, which the lesson and most tools speak.

What the wire adds is added here too: every number has the bounds that both codecs carry, and what is free in
a type is a `freeValue`, whose numbers have them.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, Final

from hubbub.protocol.limits import BASE64_PATTERN, MAX_SAFE_INTEGER

Json = dict[str, Any]

_DATE = r"[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
_TIME = r"([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]+)?"
_ZONE = r"([Zz]|[+-]([01][0-9]|2[0-3]):?[0-5][0-9])"
_PATTERNS: Final = {
    "uuid": r"^([0-9a-fA-F]{32}|[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})(?!\n)$",
    "date": rf"^{_DATE}(?!\n)$",
    "date-time": rf"^{_DATE}[Tt ]{_TIME}{_ZONE}(?!\n)$",
    "time": rf"^{_TIME}{_ZONE}(?!\n)$",
    "partial-time": rf"^{_TIME}(?!\n)$",
}
"""Formats as patterns, since validators do not assert formats. Necessary, not sufficient: see February 30."""

_NUMBERS: Final = {"minimum": -MAX_SAFE_INTEGER, "maximum": MAX_SAFE_INTEGER}
_FREE: Final[Json] = {"$ref": "#/definitions/freeValue"}
_FIRST: Final = ("title", "description", "type")
_ANNOTATIONS: Final = frozenset({"title", "description", "default", "examples", "deprecated"})

FREE_VALUE: Final[Json] = {
    "description": "Any JSON value, with numbers that JSON and Protobuf both carry exactly.",
    **_NUMBERS,
    "items": _FREE,
    "additionalProperties": _FREE,
}


def to_draft07(schema: Json, names: Mapping[str, str]) -> Json:
    """The same schema in draft-07. `names` says how the definitions are called that it refers to."""
    if "$ref" in schema:
        return _reference(schema, names)
    if not schema.keys() - _ANNOTATIONS:
        return {**schema, "allOf": [_FREE]} if schema else dict(_FREE)
    # A set may come with repetitions, and a discriminator is of OpenAPI only.
    out = {key: value for key, value in schema.items() if key not in {"discriminator", "uniqueItems"}}
    for key in ("items", "additionalProperties", "propertyNames", "not"):
        if isinstance(out.get(key), dict):
            out[key] = to_draft07(out[key], names)
    for key in ("anyOf", "allOf", "oneOf", "prefixItems"):
        if key in out:
            out[key] = [to_draft07(each, names) for each in out[key]]
    if "properties" in out:
        out["properties"] = {name: to_draft07(each, names) for name, each in out["properties"].items()}
    if out.get("required") == []:
        del out["required"]
    if "description" in out:
        out["description"] = inspect.cleandoc(out["description"])
    out = _adapted(out)
    return {key: out[key] for key in (*_FIRST, *out) if key in out}


def _reference(schema: Json, names: Mapping[str, str]) -> Json:
    # In draft-07 nothing beside a `$ref` counts.
    beside = {key: value for key, value in schema.items() if key != "$ref"}
    reference = {"$ref": f"#/definitions/{names[schema['$ref'].rpartition('/')[2]]}"}
    return {**beside, "allOf": [reference]} if beside else reference


def _adapted(out: Json) -> Json:
    """What a schema is in draft-07 and on this wire, by its type."""
    kind = out.get("type")
    if kind in {"integer", "number"}:
        out["minimum"] = max(out.get("minimum", -MAX_SAFE_INTEGER), -MAX_SAFE_INTEGER)
        out["maximum"] = min(out.get("maximum", MAX_SAFE_INTEGER), MAX_SAFE_INTEGER)
    elif kind == "array":
        _adapt_array(out)
    elif kind == "object" and "properties" not in out:
        out.setdefault("additionalProperties", _FREE)
    elif kind == "string":
        if pattern := _pattern(out):
            out.setdefault("pattern", pattern)
    elif "enum" in out and all(isinstance(value, str) for value in out["enum"]):
        out["type"] = "string"
    elif "anyOf" in out and all(each.keys() == {"type"} for each in out["anyOf"]):
        out["type"] = [each["type"] for each in out.pop("anyOf")]
    return out


def _adapt_array(out: Json) -> None:
    if "prefixItems" in out:
        rest = out.pop("items", None)
        out["items"] = out.pop("prefixItems")
        if rest is False:
            out["additionalItems"] = False
    else:
        out.setdefault("items", _FREE)


def _pattern(out: Json) -> str | None:
    if out.get("contentEncoding") == "base64":
        return BASE64_PATTERN
    return _PATTERNS.get(out.get("format", ""))

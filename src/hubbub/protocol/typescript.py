"""The contract in TypeScript: types of all messages and payloads, error numbers and bounds, made from the schema.

`clients/typescript/src/protocol.ts` is this text; `make generate` writes it, and a test fails when it differs.
"""

from __future__ import annotations

import inspect
import json
import textwrap
from collections.abc import Iterator
from typing import Any, Final

from hubbub.errors import ProtocolError
from hubbub.protocol import limits
from hubbub.protocol.catalog import Catalog
from hubbub.protocol.schema import json_schema
from hubbub.protocol.versions import HIGHEST, SUPPORTED

Json = dict[str, Any]

_HEAD: Final = """\
// Made from the types of the server (src/hubbub/protocol) by `make generate`: change it there.

/** Any JSON value, with numbers that JSON and Protobuf both carry exactly. */
export type FreeValue = null | boolean | number | string | FreeValue[] | { [name: string]: FreeValue };
"""
_PRIMITIVES: Final = {"string": "string", "integer": "number", "number": "number", "boolean": "boolean", "null": "null"}
_LIMITS: Final = (
    "MAX_SAFE_INTEGER",
    "MAX_DEPTH",
    "MAX_TIMESTAMP",
    "MAX_CONTENT",
    "MAX_METADATA",
    "MAX_CHUNK",
    "MAX_CHANNEL",
    "MAX_MESSAGE",
    "MAX_HISTORY",
)


def typescript(catalog: Catalog) -> str:
    """A module of TypeScript with the messages of this catalogue."""
    schema = json_schema(catalog)
    parts = [_HEAD, *_constants()]
    parts += [_interface(_title(name), body) for name, body in schema["definitions"].items() if name != "freeValue"]
    parts.append(_interface("Envelope", _envelope(schema), "What every message may have, in both directions."))
    parts += _messages(schema)
    return "\n".join(parts)


def _constants() -> Iterator[str]:
    yield f"/** The highest version of the protocol. */\nexport const VERSION = {json.dumps(str(HIGHEST))};\n"
    supported = ", ".join(json.dumps(str(version)) for version in SUPPORTED)
    yield f"export const SUPPORTED_VERSIONS = [{supported}] as const;\n"
    for name in _LIMITS:
        yield f"/** {inspect.cleandoc(_limit_doc(name))} */\nexport const {name} = {getattr(limits, name)};\n"
    yield "/** The server's error codes and their numbers. */\nexport const ERROR_NUMBERS = {"
    for code, number in ProtocolError.NUMBERS.items():
        yield f"  {code}: {number},"
    yield "} as const;\n\nexport type ServerErrorCode = keyof typeof ERROR_NUMBERS;\n"


def _limit_doc(name: str) -> str:
    """The docstring that follows a constant in `limits`."""
    source = inspect.getsource(limits)
    _, _, rest = source.partition(f"\n{name}: ")
    return rest.split('"""')[1]


def _envelope(schema: Json) -> Json:
    return {"properties": schema["properties"], "required": schema["required"]}


def _messages(schema: Json) -> Iterator[str]:
    names = []
    for choice in schema["allOf"]:
        kind = choice["if"]["properties"]["type"].get("const")
        if kind is None:
            continue
        demands = choice["then"]
        name = "".join(part.title() for part in kind.split("_")) + "Message"
        names.append(name)
        required = {*demands.get("required", ()), "type"}
        common = {key: schema["properties"][key] for key in schema["properties"] if key in required}
        fields = {"type": {"const": kind}, **common, **demands["properties"]}
        fields["type"] = {"const": kind}
        body = {"properties": fields, "required": sorted(required)}
        yield _interface(name, body, extends="Omit<Envelope, " + _union(sorted(fields)) + ">")
    listed = "\n".join(f"  | {name}" for name in names)
    yield "/** Every message of the protocol itself, told apart by `type`. */"
    yield f"export type ProtocolMessage =\n{listed};\n"


def _interface(name: str, body: Json, about: str = "", extends: str = "") -> str:
    required = body.get("required", ())
    lines = [*_comment(body.get("description", about))]
    lines.append(f"export interface {name}{' extends ' + extends if extends else ''} {{")
    for field, kind in body["properties"].items():
        lines.append(f"  {field}{'' if field in required else '?'}: {_type(kind)};")
    return "\n".join([*lines, "}", ""])


def _comment(text: str) -> Iterator[str]:
    wrapped = [line for part in text.split("\n") for line in (textwrap.wrap(part, 110) or [""])] if text else []
    if len(wrapped) == 1:
        yield f"/** {wrapped[0]} */"
    elif wrapped:
        yield "/**"
        yield from (f" * {line}".rstrip() for line in wrapped)
        yield " */"


def _type(schema: Json) -> str:  # noqa: PLR0911 - a case for each kind of schema
    if "$ref" in schema:
        return _reference(schema["$ref"])
    if "const" in schema:
        return json.dumps(schema["const"])
    if "enum" in schema:
        return _union(schema["enum"])
    kind = schema.get("type")
    if isinstance(kind, list):
        return " | ".join(_PRIMITIVES[each] for each in kind)
    if kind == "array":
        item = _type(schema["items"])
        return f"({item})[]" if " " in item else f"{item}[]"
    if kind == "object":
        inner = schema.get("additionalProperties")
        return f"Record<string, {_type(inner) if isinstance(inner, dict) else 'FreeValue'}>"
    if kind is None and "anyOf" in schema:
        return " | ".join(_type(each) for each in schema["anyOf"])
    if "allOf" in schema:
        return _type(schema["allOf"][0])
    return _PRIMITIVES[str(kind)]


def _union(values: list[str]) -> str:
    return " | ".join(json.dumps(value) for value in values)


def _reference(reference: str) -> str:
    name = reference.rpartition("/")[2]
    return "Envelope" if name == "#" else _title(name)


def _title(name: str) -> str:
    return name[0].upper() + name[1:]

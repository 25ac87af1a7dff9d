"""The contract in the words of others: the JSON Schema (draft-07), made from the types, and the `.proto`.

The shape is the lesson's: one object, its payloads in `definitions`. What its `oneOf` leaves open `type`
decides: an if/then for each type says what such a message requires and which payload it has.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib import resources
from typing import Any, Final

import msgspec

from hubbub.protocol.catalog import Catalog, payload_type
from hubbub.protocol.draft07 import FREE_VALUE, to_draft07
from hubbub.protocol.messages import HistoryMessage, Message, UnknownMessage

Json = dict[str, Any]

_COMMON: Final = ("messageId", "timestamp", "type", "sender", "channel", "offset", "version")


def json_schema(catalog: Catalog) -> Json:
    """The JSON Schema (draft-07) of the messages of this catalogue, as a tree of builtins.

    It says what the codecs accept but for four things that it cannot say: `1.0` is no integer here, at most
    16 levels nest, `metadata` has at most 4 KiB, and no string has a lone surrogate.
    """
    classes: list[type[Message]] = [*catalog, *([UnknownMessage] if catalog.accept_unknown else [])]
    kinds = [payload_type(cls) for cls in catalog]
    schemas, found = msgspec.json.schema_components((*classes, *kinds), ref_template="#/definitions/{name}")
    messages = dict(zip(classes, map(_component, schemas), strict=False))
    inner = {name: schema for name, schema in found.items() if name not in messages.values()}
    payloads = dict(zip((cls.type for cls in catalog), schemas[len(classes) :], strict=True))
    names = _definition_names(payloads, inner)
    envelopes = {cls: to_draft07(found[component], names) for cls, component in messages.items()}
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "WebSocketMessage",
        "type": "object",
        "properties": _properties(envelopes, catalog),
        "required": ["type"],
        "allOf": _choices(envelopes, catalog),
        "definitions": {
            **{names[component]: to_draft07(schema, names) for component, schema in inner.items()},
            "freeValue": FREE_VALUE,
        },
    }


def proto_text() -> str:
    """The Protobuf contract: the text of `websocket.proto`."""
    return resources.files("hubbub.protocol").joinpath("websocket.proto").read_text(encoding="utf-8")


def _properties(envelopes: Mapping[type[Message], Json], catalog: Catalog) -> Json:
    """The properties of every message. What only some have stands with those."""
    fields = next(iter(envelopes.values()))["properties"]
    kind: Json = {"type": "string"}
    if catalog.accept_unknown:
        kind["minLength"] = 1
    else:
        kind["enum"] = [cls.type for cls in catalog]
    return {
        **{name: kind if name == "type" else fields[name] for name in _COMMON},
        "payload": {"type": "object"},
        "metadata": fields["metadata"],
    }


def _choices(envelopes: Mapping[type[Message], Json], catalog: Catalog) -> list[Json]:
    choices = [
        {"if": _is_type(cls.type), "then": _demands(cls, envelopes[cls])}
        for cls in envelopes
        if cls is not UnknownMessage
    ]
    if catalog.accept_unknown:
        known = [cls.type for cls in catalog]
        choices.append(
            {
                "if": {"properties": {"type": {"enum": known}}},
                "else": _demands(UnknownMessage, envelopes[UnknownMessage]),
            }
        )
    return choices


def _is_type(name: str) -> Json:
    return {"properties": {"type": {"const": name}}, "required": ["type"]}


def _demands(cls: type[Message], envelope: Json) -> Json:
    """What messages of this class must have, and the fields that not all messages have."""
    own = {
        name: schema for name, schema in envelope["properties"].items() if name not in _COMMON and name != "metadata"
    }
    if cls is HistoryMessage:
        own["messages"] = {
            "type": "array",
            # Messages as they are delivered: each like this one, but no history in a history.
            "items": {"allOf": [{"$ref": "#"}, {"not": _is_type(cls.type)}]},
        }
    required = [name for name in envelope["required"] if name != "type"]
    ordered = sorted(required, key=[*_COMMON, *own].index)
    return {"properties": own} | ({"required": ordered} if ordered else {})


# --- Names ---------------------------------------------------------------------------------------------


def _definition_names(payloads: Mapping[str, Json], found: Mapping[str, Json]) -> dict[str, str]:
    """How each component but the messages is called as a definition.

    What the type `text` carries is `textPayload`; what several types carry, or payloads have within, is named
    by its class. `payloads` are the schemas of the payloads by type, `found` msgspec's components.
    """
    carriers: dict[str, list[str]] = {}
    for name, schema in payloads.items():
        if "$ref" in schema:
            carriers.setdefault(_component(schema), []).append(name)
    names: dict[str, str] = {}
    for component, types in carriers.items():
        if len(types) == 1:
            _name(names, component, f"{_camel(types[0])}Payload")
    for component in found:
        if component not in names:
            title = found[component]["title"]
            _name(names, component, title[0].lower() + title[1:])
    return names


def _component(schema: Json) -> str:
    return str(schema["$ref"]).rpartition("/")[2]


def _name(names: dict[str, str], component: str, wanted: str) -> None:
    """Two classes may have one name, and two types one in camel case: the later gets a number."""
    name, number = wanted, 1
    while name in names.values():
        number += 1
        name = f"{wanted}{number}"
    names[component] = name


def _camel(name: str) -> str:
    first, *others = re.split(r"[_.-]", name)
    return first + "".join(part[:1].upper() + part[1:] for part in others)

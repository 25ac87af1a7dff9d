"""The contract as an AsyncAPI 3 document (https://www.asyncapi.com/docs/reference/specification/v3.0.0).

One channel, the WebSocket; one message for each type; what clients send and what they receive as operations. The
payloads are those of the JSON Schema, whole: AsyncAPI speaks draft-07, too.
"""

from __future__ import annotations

from typing import Any, Final

from hubbub.protocol.catalog import Catalog
from hubbub.protocol.schema import json_schema
from hubbub.protocol.versions import HIGHEST

Json = dict[str, Any]

_FROM_SERVER: Final = frozenset(
    {"welcome", "session_restored", "migrate", "subscribed", "unsubscribed", "position", "gap", "system", "error"}
)
"""Control messages that only the server sends."""

_FROM_CLIENT: Final = frozenset({"hello", "restore_session", "refresh", "subscribe", "unsubscribe"})
"""Control messages that only clients send."""

_ANSWERED: Final = {
    "hello": ("welcome", "error"),
    "restore_session": ("session_restored", "error"),
    "ping": ("pong",),
    "history": ("history", "error"),
    "presence": ("presence", "error"),
}
"""What answers a request, where it is no `ack` or `error`."""

_UNANSWERED: Final = frozenset({"ack", "pong"})


def asyncapi(catalog: Catalog, schema: Json | None = None) -> Json:
    """The document, as a tree of builtins. Its operations are named as a client sees them.

    `schema` is the catalogue's, for whoever has made it already.
    """
    schema = schema or json_schema(catalog)
    kinds = [cls.type for cls in catalog]
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Hubbub",
            "version": f"{HIGHEST}.0",
            "description": "Realtime messaging: a channel is a log, a subscription a position in it.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {
            "local": {
                "host": "127.0.0.1:8000",
                "protocol": "ws",
                "pathname": "/ws",
                "description": "Subprotocol hubbub.json, or hubbub.protobuf for the same messages as /hubbub.proto.",
            }
        },
        "channels": {
            "hub": {
                "address": "/",
                "description": "Both directions share it. What a message is for stands in its `channel`.",
                "messages": {kind: {"$ref": f"#/components/messages/{kind}"} for kind in kinds},
                "bindings": {"ws": {"method": "GET", "bindingVersion": "0.1.0"}},
            }
        },
        "operations": {
            **{f"send_{kind}": _send(kind) for kind in kinds if kind not in _FROM_SERVER},
            **{f"receive_{kind}": _operation("receive", kind) for kind in kinds if kind not in _FROM_CLIENT},
        },
        "components": {
            "messages": {cls.type: _message(cls.type, schema) for cls in catalog},
            "schemas": {name: _moved(body) for name, body in schema["definitions"].items()},
        },
    }


def _send(kind: str) -> Json:
    operation = _operation("send", kind)
    if kind not in _UNANSWERED:
        answers = _ANSWERED.get(kind, ("ack", "error"))
        operation["reply"] = {
            "channel": {"$ref": "#/channels/hub"},
            "messages": [{"$ref": f"#/channels/hub/messages/{answer}"} for answer in answers],
        }
    return operation


def _operation(action: str, kind: str) -> Json:
    return {
        "action": action,
        "channel": {"$ref": "#/channels/hub"},
        "messages": [{"$ref": f"#/channels/hub/messages/{kind}"}],
    }


def _message(kind: str, schema: Json) -> Json:
    """What a message of this type is: the fields of all, and what the type demands."""
    demands = next(
        choice["then"] for choice in schema["allOf"] if choice["if"]["properties"]["type"].get("const") == kind
    )
    properties = {**schema["properties"], "type": {"const": kind}, **demands["properties"]}
    required = ["type", *demands.get("required", ())]
    message: Json = {"name": kind, "title": kind.replace("_", " ").capitalize()}
    if kind == "history":
        # `#` in the schema is any message; here that is one of these.
        messages = [{"$ref": f"#/components/messages/{each}/payload"} for each in _delivered(schema)]
        properties["messages"] = {"type": "array", "items": {"anyOf": messages}}
    message["payload"] = _moved({"type": "object", "properties": properties, "required": required})
    if "messageId" in required or kind not in _FROM_SERVER:
        message["correlationId"] = {"location": "$message.payload#/messageId"}
    return message


def _delivered(schema: Json) -> list[str]:
    """The types of application messages: those that say when and by whom."""
    return [
        choice["if"]["properties"]["type"]["const"]
        for choice in schema["allOf"]
        if "timestamp" in choice.get("then", {}).get("required", ()) and "const" in choice["if"]["properties"]["type"]
    ]


def _moved(schema: Any) -> Any:
    """The same schema with its definitions among the components."""
    if isinstance(schema, dict):
        return {
            key: value.replace("#/definitions/", "#/components/schemas/") if key == "$ref" else _moved(value)
            for key, value in schema.items()
        }
    if isinstance(schema, list):
        return [_moved(each) for each in schema]
    return schema

"""Which types of message exist: the protocol's own and those that an application registers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import is_dataclass
from functools import cache
from typing import (
    Annotated,
    Any,
    NotRequired,
    Required,
    cast,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

import msgspec
from msgspec import UNSET, Struct, UnsetType

from hubbub.errors import ConfigurationError
from hubbub.protocol.messages import (
    APPLICATION_MESSAGES,
    CONTROL_MESSAGES,
    ApplicationMessage,
    Message,
)
from hubbub.protocol.versions import HIGHEST, ProtocolVersion, parse_version

_TYPE_NAME = re.compile(r"[a-z][a-z0-9_.-]{0,63}\Z").match


class NewerField(Struct, frozen=True):
    """A payload field that came with a later version: hidden from older clients.

    From an older client it is refused, or ignored where the protocol says so. With a `value` the field is an
    old one that may have this value only since then; nothing is hidden of it.
    """

    name: str
    since: ProtocolVersion
    ignored: bool = False
    value: Any = UNSET


class Catalog:
    """The types of message that one hub or client knows. Fill it before its first codec is made."""

    def __init__(self, *, accept_unknown: bool = False) -> None:
        self._classes: dict[str, type[Message]] = {cls.type: cls for cls in (*APPLICATION_MESSAGES, *CONTROL_MESSAGES)}
        self._applications: set[str] = {cls.type for cls in APPLICATION_MESSAGES}
        by_payload, newer = _own_payloads()
        self._by_payload: dict[Any, str] = dict(by_payload)
        self._newer = dict(newer)
        self._registered: set[str] = set()
        self._ephemeral: set[str] = set()
        self._frozen = False
        self._accept_unknown = accept_unknown

    @property
    def accept_unknown(self) -> bool:
        """Whether messages of types that nobody registered are decoded, for a default handler."""
        return self._accept_unknown

    @accept_unknown.setter
    def accept_unknown(self, value: bool) -> None:
        self._require_open("a default handler")
        self._accept_unknown = value

    def register(self, name: str, payload: Any, *, ephemeral: bool = False) -> type[ApplicationMessage]:
        """Adds the type `name` with payloads of the type `payload` and returns its message class.

        `payload` is a `msgspec.Struct`, a dataclass or a TypedDict. A field annotated with
        `Meta(extra={"since": "1.2"})` is hidden from older clients and refused from them. Ephemeral messages
        have no offset, are not stored, and may be dropped for a slow reader.
        Raises `ConfigurationError` for a name that is taken, or a payload of another kind or with fields
        that have no form in JSON.
        """
        self._require_open(name)
        if not _TYPE_NAME(name):
            raise ConfigurationError(f"message type {name!r}", "use 1 to 64 of a-z 0-9 _ . - after a letter")
        if name in self._classes:
            raise ConfigurationError(f"message type {name!r}", "the name is taken: choose another")
        _check_payload(name, payload)
        cls = _message_class(name, payload, {each.__name__ for each in self._classes.values()})
        self._newer[name] = tuple(_newer_fields(cls))
        self._classes[name] = cls
        self._applications.add(name)
        self._registered.add(name)
        self._by_payload.setdefault(payload, name)
        if ephemeral:
            self._ephemeral.add(name)
        return cls

    def freeze(self) -> None:
        """Codecs call it: what they decode was fixed when they were made."""
        self._frozen = True

    def __contains__(self, name: object) -> bool:
        return name in self._classes

    def __iter__(self) -> Iterator[type[Message]]:
        return iter(self._classes.values())

    def __getitem__(self, name: str) -> type[Message]:
        return self._classes[name]

    def is_application(self, name: str) -> bool:
        """Whether messages of this type go to channels: the lesson's four, `data`, and registered ones."""
        return name in self._applications

    def is_registered(self, name: str) -> bool:
        return name in self._registered

    def is_ephemeral(self, name: str) -> bool:
        return name in self._ephemeral

    def type_of(self, payload: object) -> str:
        """The type whose payload this is. Raises `ConfigurationError` when nobody registered it."""
        try:
            return self._by_payload[type(payload)]
        except KeyError:
            raise ConfigurationError(
                f"payload {type(payload).__name__}", "register its type first, or name the message's type"
            ) from None

    def newer_fields(self, name: str) -> tuple[NewerField, ...]:
        """The payload fields of this type that came after 1.0."""
        return self._newer.get(name, ())

    def _require_open(self, what: str) -> None:
        if self._frozen:
            raise ConfigurationError(what, "register it before the server starts or the client connects")


def payload_type(cls: type[Message]) -> Any:
    """The payload's own type, without `Unset`."""
    hint = get_type_hints(cls, include_extras=True)["payload"]
    kinds = [kind for kind in get_args(hint) if kind is not UnsetType]
    return kinds[0] if kinds else hint


@cache
def _own_payloads() -> tuple[dict[Any, str], dict[str, tuple[NewerField, ...]]]:
    """Of the protocol's own types, which never change: which type has a payload, and its newer fields."""
    by_payload = {payload_type(cls): cls.type for cls in APPLICATION_MESSAGES}
    newer = {cls.type: tuple(_newer_fields(cls)) for cls in (*APPLICATION_MESSAGES, *CONTROL_MESSAGES)}
    return by_payload, newer


def _is_payload(payload: Any) -> bool:
    return isinstance(payload, type) and (issubclass(payload, Struct) or is_dataclass(payload) or is_typeddict(payload))


def _check_payload(name: str, payload: Any) -> None:
    setting = f"message type {name!r}"
    if not _is_payload(payload):
        raise ConfigurationError(setting, "its payload must be a msgspec.Struct, a dataclass or a TypedDict")
    try:
        msgspec.json.Decoder(payload)
        msgspec.json.schema(payload)
    except (TypeError, NameError) as error:
        raise ConfigurationError(setting, f"its payload has no form in JSON: {error}") from None
    if issubclass(payload, Struct) and payload.__struct_config__.array_like:
        raise ConfigurationError(setting, "its payload is an object in JSON: it cannot be array_like")


def _message_class(name: str, payload: Any, taken: set[str]) -> type[ApplicationMessage]:
    title = "".join(part.title() for part in re.split(r"[_.-]", name)) + "Message"
    # `a.b` and `a_b` are two types: the schema tells their classes by name.
    while title in taken:
        title += "_"
    return cast(
        "type[ApplicationMessage]",
        msgspec.defstruct(
            title,
            [("payload", payload | UnsetType, UNSET)],
            bases=(ApplicationMessage,),
            namespace={"type": name},
            tag=name,
            kw_only=True,
            omit_defaults=True,
        ),
    )


def _newer_fields(cls: type[Message]) -> Iterator[NewerField]:
    payload = payload_type(cls)
    if not _is_payload(payload):
        return
    names = {}
    if issubclass(payload, Struct):
        names = dict(zip(payload.__struct_fields__, payload.__struct_encode_fields__, strict=True))
    for attribute, hint in get_type_hints(payload, include_extras=True).items():
        where = f"{payload.__name__}.{attribute}"
        name = names.get(attribute, attribute)
        for extra in _extras(hint):
            if "since" in extra:
                yield NewerField(name, _since(where, extra["since"]), extra.get("older") == "ignore")
            for value, since in extra.get("values_since", {}).items():
                yield NewerField(name, _since(where, since), value=value)


def _extras(hint: Any) -> Iterator[dict[str, Any]]:
    """The `extra` of every `Meta` of a field, also of one within `Required[...]` or an optional."""
    for meta in getattr(hint, "__metadata__", ()):
        if extra := getattr(meta, "extra", None):
            yield extra
    for inner in get_args(hint):
        if get_origin(inner) is Annotated or get_origin(hint) in {Required, NotRequired}:
            yield from _extras(inner)


def _since(where: str, text: str) -> ProtocolVersion:
    since = parse_version(text)
    if since > HIGHEST:
        raise ConfigurationError(where, f"since {since} is after {HIGHEST}")
    return since

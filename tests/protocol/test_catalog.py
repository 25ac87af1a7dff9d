"""Registering types: names, payloads, and the fields that came with later versions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple, TypedDict

import msgspec
import pytest
from msgspec import UNSET, Meta, Struct, UnsetType

from hubbub.errors import ConfigurationError
from hubbub.protocol import messages, payloads
from hubbub.protocol.catalog import Catalog, NewerField, payload_type
from hubbub.protocol.json_codec import JsonCodec
from hubbub.protocol.versions import ProtocolVersion
from tests.protocol.samples import Move, Note, Vote, make_catalog


class Plain(Struct):
    x: int = 0


def test_the_protocols_own_types() -> None:
    catalog = Catalog()
    assert {cls.type for cls in messages.APPLICATION_MESSAGES} == {"text", "image", "file", "command", "data"}
    for cls in (*messages.APPLICATION_MESSAGES, *messages.CONTROL_MESSAGES):
        assert cls.type in catalog
        assert catalog[cls.type] is cls
        assert catalog.is_application(cls.type) == issubclass(cls, messages.ApplicationMessage)
        assert not catalog.is_registered(cls.type)
        assert not catalog.is_ephemeral(cls.type)
    assert "nobody" not in catalog


def test_registered_types() -> None:
    catalog = make_catalog()
    for name, payload in {"move": Move, "vote": Vote, "team.note": Note}.items():
        assert payload_type(catalog[name]) is payload
        assert catalog.is_application(name)
        assert catalog.is_registered(name)
        assert issubclass(catalog[name], messages.ApplicationMessage)
    assert catalog.is_ephemeral("team.note")
    assert not catalog.is_ephemeral("move")


def test_the_type_of_a_payload() -> None:
    catalog = make_catalog()
    assert catalog.type_of(payloads.Text("")) == "text"
    assert catalog.type_of(Vote("yes")) == "vote"
    catalog.register("second.vote", Vote)
    assert catalog.type_of(Vote("yes")) == "vote"
    with pytest.raises(ConfigurationError, match="Plain"):
        catalog.type_of(Plain())


@pytest.mark.parametrize("name", ["a", "a1", "a_b.c-d", "x" * 64])
def test_names(name: str) -> None:
    assert Catalog().register(name, Plain).type == name


@pytest.mark.parametrize("name", ["", "A", "1a", "_a", "a b", "a\n", "ä", "x" * 65, "a/b"])
def test_names_that_are_none(name: str) -> None:
    with pytest.raises(ConfigurationError, match="after a letter"):
        Catalog().register(name, Plain)


@pytest.mark.parametrize("name", ["text", "hello", "ack", "error", "join", "operations"])
def test_names_that_are_taken(name: str) -> None:
    with pytest.raises(ConfigurationError, match="taken"):
        Catalog().register(name, Plain)


def test_no_name_twice() -> None:
    catalog = make_catalog()
    with pytest.raises(ConfigurationError, match="taken"):
        catalog.register("move", Plain)


class Pair(NamedTuple):
    a: int


class Array(Struct, array_like=True):
    a: int


class Opaque(Struct):
    a: complex


class Cannot(TypedDict):
    a: Plain | Move


@dataclass
class Nowhere:
    a: Missing  # type: ignore[name-defined]  # noqa: F821


@pytest.mark.parametrize("payload", [int, dict, Pair, Array, Opaque, Cannot, Nowhere, "Plain", Plain | None])
def test_payloads_that_are_none(payload: Any) -> None:
    catalog = Catalog()
    with pytest.raises(ConfigurationError, match="its payload"):
        catalog.register("x", payload)
    assert "x" not in catalog


def test_types_whose_names_differ_in_punctuation_are_two() -> None:
    catalog = Catalog()
    for name in ("a.b", "a_b", "a-b"):
        catalog.register(name, Plain)
    codec = JsonCodec(catalog)
    text = '{"type":"a_b","messageId":"a1b2c3d4-1111-4222-8333-0123456789ab","timestamp":1,"sender":"a"}'
    assert codec.decode(text).type == "a_b"
    assert len({catalog[name].__name__ for name in ("a.b", "a_b", "a-b")}) == 3


def test_nothing_is_added_once_a_codec_was_made() -> None:
    catalog = make_catalog()
    JsonCodec(catalog)
    with pytest.raises(ConfigurationError, match="before the server starts"):
        catalog.register("late", Plain)
    with pytest.raises(ConfigurationError):
        catalog.accept_unknown = True


def test_fields_of_later_versions() -> None:
    catalog = make_catalog()
    v11, v12 = ProtocolVersion(1, 1), ProtocolVersion(1, 2)
    assert catalog.newer_fields("text") == (NewerField("mentions", v11, ignored=True),)
    assert catalog.newer_fields("command") == (NewerField("action", v11, value="unmute"),)
    assert catalog.newer_fields("move") == (NewerField("speed", v12),)
    assert catalog.newer_fields("team.note") == (NewerField("colour", v11, ignored=True),)
    assert catalog.newer_fields("ping") == catalog.newer_fields("nobody") == ()


def test_later_fields_go_by_their_name_on_the_wire() -> None:
    class Renamed(Struct, rename="camel"):
        new_field: Annotated[int | UnsetType, Meta(extra={"since": "1.2"})] = UNSET

    catalog = Catalog()
    catalog.register("renamed", Renamed)
    assert [field.name for field in catalog.newer_fields("renamed")] == ["newField"]


@pytest.mark.parametrize("since", ["1.3", "2.0"])
def test_a_field_cannot_come_from_the_future(since: str) -> None:
    payload = msgspec.defstruct("Future", [("x", Annotated[int, Meta(extra={"since": since})])])
    with pytest.raises(ConfigurationError, match=r"Future\.x: since"):
        Catalog().register("future", payload)

"""The schema against the codecs, with a validator and a generator that know nothing of them as the oracle."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft7Validator

from hubbub.errors import BadMessage
from hubbub.protocol.catalog import Catalog
from hubbub.protocol.schema import json_schema, proto_text
from tests.protocol.carrying import assert_carried
from tests.protocol.oracle import faults, is_judged, is_named
from tests.protocol.samples import SAMPLES, envelope, make_catalog, make_wire
from tests.protocol.strategies import SCHEMA, branch_of, messages

WIRE = make_wire()


@pytest.mark.parametrize("kind", sorted(SAMPLES))
def test_every_sample_satisfies_the_schema(kind: str) -> None:
    assert faults(SAMPLES[kind]) == set()


# Generating from a schema is slow: a few with the unit tests, many with the slow ones.
@pytest.mark.parametrize("kind", sorted(SAMPLES))
@pytest.mark.parametrize("count", [3, pytest.param(100, marks=pytest.mark.slow)])
def test_what_the_schema_accepts_both_codecs_carry(kind: str, count: int) -> None:
    @settings(max_examples=count, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(messages(kind).filter(is_judged))
    def check(message: Any) -> None:
        assert faults(message) == set()
        decoded = WIRE.json.decode(json.dumps(message))
        assert decoded.type == kind
        assert_carried(WIRE, decoded)

    check()


_VALUES = st.sampled_from(
    [
        *(None, True, 0, -1, 1, 2**31, 2**53 - 1, 2**53, 253402300800000, 10**400, 0.5),
        *("", "x", "x" * 4097, "1.01", "http://", "join"),
        *([], {}, [1], {"a": 1}, ["x"], {"a": 2**53}, {"epoch": "e", "offset": -1}),
    ]
)


@st.composite
def _mutated(draw: st.DrawFn, kind: str) -> Any:
    """A sample in which one to three places are other than they should be: another value, gone, or new."""
    message = copy.deepcopy(SAMPLES[kind])
    for _ in range(draw(st.integers(1, 3))):
        holder: Any = message
        while isinstance(holder, dict) and holder:
            key = draw(st.sampled_from(sorted(holder)))
            if isinstance(holder[key], dict) and holder[key] and draw(st.booleans()):
                holder = holder[key]
                continue
            what = draw(st.sampled_from(["set", "set", "delete", "add"]))
            if what == "delete":
                del holder[key]
            else:
                new = draw(st.sampled_from(["channel", "offset", "mentions", "target", "metadata", "epoch"]))
                holder[key if what == "set" else new] = copy.deepcopy(draw(_VALUES))
            break
    return message


@pytest.mark.parametrize("kind", sorted(SAMPLES))
@pytest.mark.parametrize("count", [20, pytest.param(200, marks=pytest.mark.slow)])
def test_what_the_schema_refuses_the_codec_refuses_and_names(kind: str, count: int) -> None:
    @settings(max_examples=count)
    @given(_mutated(kind).filter(is_judged))
    def check(message: Any) -> None:
        wrong = faults(message)
        try:
            WIRE.json.decode(json.dumps(message))
        except BadMessage as error:
            assert wrong, error
            assert error.field is not None
            assert is_named(error.field, wrong), (error.field, wrong)
        else:
            assert wrong == set()

    check()


def test_it_is_draft_07_and_the_lessons() -> None:
    Draft7Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == "http://json-schema.org/draft-07/schema#"
    assert SCHEMA["title"] == "WebSocketMessage"
    assert {"messageId", "timestamp", "type", "sender", "payload", "metadata"} <= SCHEMA["properties"].keys()
    lesson = {
        "textPayload": ["content"],
        "imagePayload": ["url", "width", "height"],
        "filePayload": ["url", "size", "mimeType"],
        "commandPayload": ["action"],
    }
    for name, required in lesson.items():
        assert SCHEMA["definitions"][name]["required"] == required
    assert SCHEMA["definitions"]["commandPayload"]["properties"]["target"]["type"] == ["string", "null"]
    assert SCHEMA["properties"]["messageId"]["format"] == "uuid"
    assert SCHEMA["definitions"]["imagePayload"]["properties"]["url"]["format"] == "uri"


@pytest.mark.parametrize("missing", ["messageId", "timestamp", "type", "sender"])
def test_application_messages_require_what_the_lesson_requires(missing: str) -> None:
    message = envelope("text")
    assert faults(message) == set()
    del message[missing]
    assert faults(message) == {missing}


def test_every_number_of_the_schema_is_bounded() -> None:
    def unbounded(schema: Any, path: str) -> list[str]:
        if isinstance(schema, list):
            return [found for each in schema for found in unbounded(each, path)]
        if not isinstance(schema, dict):
            return []
        own = schema.get("type") in ("integer", "number") and not {"minimum", "maximum"} <= schema.keys()
        return [path] * own + [found for key, each in schema.items() for found in unbounded(each, f"{path}/{key}")]

    assert unbounded(SCHEMA, "") == []


@pytest.mark.parametrize(
    ("kind", "definition", "required"),
    [
        ("move", "movePayload", ["to", "steps"]),
        ("vote", "votePayload", ["choice"]),
        ("team.note", "teamNotePayload", ["title"]),
    ],
)
def test_registered_types_have_their_place(kind: str, definition: str, required: list[str]) -> None:
    assert kind in SCHEMA["properties"]["type"]["enum"]
    assert SCHEMA["definitions"][definition]["required"] == required
    branch = branch_of(kind)
    assert branch["properties"]["payload"] == {"$ref": f"#/definitions/{definition}"}
    assert branch["required"] == ["messageId", "timestamp", "sender"]


def test_types_of_one_name_in_camel_case_have_two_definitions() -> None:
    catalog = Catalog()
    catalog.register("a.b", _struct("One"))
    catalog.register("a_b", _struct("Two"))
    definitions = json_schema(catalog)["definitions"]
    assert (definitions["aBPayload"]["title"], definitions["aBPayload2"]["title"]) == ("One", "Two")


def test_one_payload_of_two_types_is_named_by_its_class() -> None:
    catalog = Catalog()
    shared = _struct("Shared")
    catalog.register("up", shared)
    catalog.register("down", shared)
    assert "shared" in json_schema(catalog)["definitions"]


def test_with_a_default_handler_any_type_is_right() -> None:
    wire = make_wire(accept_unknown=True)
    validator = Draft7Validator(json_schema(make_catalog(accept_unknown=True)))
    for message in (
        envelope("never.heard"),
        envelope("never.heard", payload={"a": [1, {"b": None}]}),
        {"type": "never.heard"},
        envelope("never.heard", payload=[1]),
        envelope("never.heard", payload={"a": 2**53}),
        envelope(""),
        envelope("text", payload={}),
    ):
        try:
            wire.json.decode(json.dumps(message))
        except BadMessage:
            assert not validator.is_valid(message), message
        else:
            assert validator.is_valid(message), message


def test_a_history_within_a_history_is_refused_by_both() -> None:
    message = {"type": "history", "messages": [{"type": "history", "messages": []}]}
    assert faults(message) == {"messages[0]"}
    with pytest.raises(BadMessage) as caught:
        WIRE.json.decode(json.dumps(message))
    assert caught.value.field == "messages[0].type"


def test_the_proto_is_the_packaged_one() -> None:
    assert 'syntax = "proto3";' in proto_text()
    assert "package websocket;" in proto_text()


def _struct(name: str) -> Any:
    import msgspec

    return msgspec.defstruct(name, [("x", int)])

"""The AsyncAPI document: valid by AsyncAPI's own schema, and the payloads are what the codecs accept."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

from hubbub.protocol.asyncapi import asyncapi
from hubbub.protocol.catalog import Catalog
from tests.protocol.samples import NOW, SAMPLES, UUID, make_catalog

META = Path(__file__).parents[2] / "node_modules/@asyncapi/specs/schemas/3.0.0.json"
DOCUMENT = asyncapi(make_catalog())


def resolve(document: dict[str, Any], reference: str) -> Any:
    found: Any = document
    for part in reference.removeprefix("#/").split("/"):
        found = found[part]
    return found


def references(tree: Any) -> set[str]:
    if isinstance(tree, dict):
        found = {tree["$ref"]} if isinstance(tree.get("$ref"), str) else set()
        return found.union(*map(references, tree.values())) if tree else found
    return set().union(*map(references, tree)) if isinstance(tree, list) and tree else set()


@pytest.mark.parametrize("document", [asyncapi(Catalog()), DOCUMENT], ids=["protocol", "application"])
def test_it_is_what_asyncapi_says(document: dict[str, Any]) -> None:
    if not META.exists():
        if os.environ.get("CI") == "true":
            pytest.fail("AsyncAPI's schema is missing (make setup), and CI has to have it")
        pytest.skip("AsyncAPI's schema is missing (make setup)")
    problems = [
        f"{'/'.join(map(str, error.absolute_path))}: {error.message[:200]}"
        for error in Draft7Validator(json.loads(META.read_text())).iter_errors(document)
    ]
    assert problems == []


def test_references_lead_somewhere() -> None:
    for reference in references(DOCUMENT):
        assert resolve(DOCUMENT, reference) is not None


@pytest.mark.parametrize("kind", SAMPLES)
def test_payloads_accept_what_the_codecs_do(kind: str) -> None:
    payload = {**DOCUMENT["components"]["messages"][kind]["payload"], "components": DOCUMENT["components"]}
    validator = Draft7Validator(payload)
    sample = SAMPLES[kind]
    assert [error.message for error in validator.iter_errors(sample)] == []
    assert list(validator.iter_errors({**sample, "type": "other"}))
    assert list(validator.iter_errors({**sample, "timestamp": -1}))


def test_every_request_has_its_answers() -> None:
    operations = DOCUMENT["operations"]
    assert {name.partition("_")[2] for name in operations} == {cls.type for cls in make_catalog()}
    answers = {
        name: [each["$ref"].rpartition("/")[2] for each in operation["reply"]["messages"]]
        for name, operation in operations.items()
        if "reply" in operation
    }
    assert answers["send_text"] == ["ack", "error"]
    assert answers["send_hello"] == ["welcome", "error"]
    assert "send_welcome" not in operations
    assert "receive_hello" not in operations
    assert "send_ack" not in answers


def test_a_message_of_another_kind_is_none() -> None:
    text = {"messageId": UUID, "timestamp": NOW, "type": "text", "sender": "ann", "payload": {"content": 3}}
    payload = DOCUMENT["components"]["messages"]["text"]["payload"]
    assert list(Draft7Validator({**payload, "components": DOCUMENT["components"]}).iter_errors(text))

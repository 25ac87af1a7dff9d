"""What an independent JSON Schema validator says of a message, in the terms of the codecs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from jsonschema import Draft7Validator
from jsonschema.exceptions import ValidationError

from hubbub.protocol.limits import MAX_DEPTH, MAX_METADATA
from hubbub.protocol.validation import as_strings
from tests.protocol.strategies import SCHEMA

_VALIDATOR = Draft7Validator(SCHEMA)


def faults(message: Any) -> set[str]:
    """The paths of the fields that the schema refuses; empty when it accepts the message."""
    return set(_paths(_VALIDATOR.iter_errors(message)))


def is_named(field: str, paths: Iterable[str]) -> bool:
    """Whether the field that a codec names is at fault, or is within or around what is."""
    wanted = re.compile(re.escape(field).replace(r"\.\*", r"\.[^.]*"))
    return any(wanted.match(path) or field.startswith(path) for path in paths)


def is_judged(message: Any) -> bool:
    """Whether the schema can judge it: floats that are integers, depth and bytes of metadata it cannot."""
    metadata = message.get("metadata") if isinstance(message, dict) else None
    if isinstance(metadata, dict) and _size(as_strings(metadata)) > MAX_METADATA:
        return False
    return _depth(message) <= MAX_DEPTH and not _has_integral_float(message)


def _paths(errors: Iterable[ValidationError]) -> Iterator[str]:
    for error in errors:
        path = _path(error.absolute_path)
        if error.validator == "required":
            missing = re.match(r"'([^']*)' is a required", error.message)
            assert missing
            yield f"{path}.{missing[1]}" if path else missing[1]
        else:
            yield path or "message"


def _path(steps: Iterable[str | int]) -> str:
    path = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps)
    return path.removeprefix(".")


def _size(metadata: dict[str, str]) -> int:
    """An upper bound, since a bound is all that is asked for."""
    return sum(6 * (len(key) + len(value)) + 6 for key, value in metadata.items())


def _depth(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max(map(_depth, value.values()), default=0)
    return 1 + max(map(_depth, value), default=0) if isinstance(value, list) else 0


def _has_integral_float(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_has_integral_float, value.values()))
    if isinstance(value, list):
        return any(map(_has_integral_float, value))
    return isinstance(value, float) and value.is_integer()

"""The golden transcripts (protocol/vectors): reading them, and matching what is said with what should be."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

VECTORS = Path(__file__).parents[2] / "protocol/vectors"

_VARIABLE = re.compile(r"<([a-z0-9-]+)(\??)>\Z").match

Json = dict[str, Any]


class Mismatch(AssertionError):
    """What was said is not what the transcript has."""


class Transcript:
    """One conversation, and what its variables are by now."""

    def __init__(self, name: str) -> None:
        value = json.loads((VECTORS / f"transcripts/{name}.json").read_text(encoding="utf-8"))
        self.name = name
        self.ignored: set[str] = {"ping", *value.get("ignore", ())}
        self.settings: Json = value.get("settings", {})
        self._steps: list[Json] = value["steps"]
        self._vars: Json = value["vars"]
        self._bound: Json = {}

    def steps(self, role: str) -> Iterator[Json]:
        """The steps for this role: `python`, `typescript` or `server`."""
        for step in self._steps:
            if role in step.get("only", (role,)):
                yield step

    def fill(self, pattern: Any) -> Any:
        """The pattern with a value for every variable."""
        if isinstance(pattern, dict):
            return {key: self.fill(value) for key, value in pattern.items()}
        if isinstance(pattern, list):
            return [self.fill(value) for value in pattern]
        if isinstance(pattern, str) and (found := _VARIABLE(pattern)):
            name, is_any = found.groups()
            return self._vars[name] if is_any else self._bound.setdefault(name, self._vars[name])
        return pattern

    def match(self, pattern: Any, value: Any) -> None:
        """Binds the variables of the pattern. Raises `Mismatch`."""
        bound = dict(self._bound)
        where = _difference(pattern, value, bound, "")
        if where is not None:
            raise Mismatch(f"{self.name}: {where}\n  wanted {json.dumps(pattern)}\n  said   {json.dumps(value)}")
        self._bound = bound

    def matches(self, pattern: Any, value: Any) -> bool:
        try:
            self.match(pattern, value)
        except Mismatch:
            return False
        return True


def _difference(pattern: Any, value: Any, bound: Json, where: str) -> str | None:
    if isinstance(pattern, dict):
        if not isinstance(value, dict):
            return f"{where or 'it'} is no object"
        for key, inner in pattern.items():
            if key not in value:
                return f"{where}.{key} is missing"
            if found := _difference(inner, value[key], bound, f"{where}.{key}"):
                return found
        return None
    if isinstance(pattern, list):
        if not isinstance(value, list) or len(value) != len(pattern):
            return f"{where} has not {len(pattern)} items"
        found = (
            _difference(*pair, bound, f"{where}[{at}]") for at, pair in enumerate(zip(pattern, value, strict=True))
        )
        return next((each for each in found if each), None)
    if isinstance(pattern, str) and (variable := _VARIABLE(pattern)):
        name, is_any = variable.groups()
        if not is_any and bound.setdefault(name, value) != value:
            return f"{where}: {name} is {bound[name]!r} by now"
        return None
    return None if pattern == value and type(pattern) is type(value) else f"{where} is another"


def names(role: str) -> list[str]:
    """The transcripts that this role runs."""
    found = []
    for file in sorted((VECTORS / "transcripts").glob("*.json")):
        runs = json.loads(file.read_text(encoding="utf-8")).get("runs", ["python", "typescript", "server"])
        if role in runs:
            found.append(file.stem)
    return found

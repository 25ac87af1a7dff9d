"""How much of each log is kept: a default, and rules by pattern."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from functools import lru_cache

from msgspec import Struct


class Retention(Struct, frozen=True):
    """At most `messages` records, `size` bytes and `age` seconds, whichever comes first.

    With `conflate` the newest record of each key stays beyond that, for at most `keys` keys.
    """

    messages: int = 1000
    size: int = 1024 * 1024
    age: float = 3600.0
    conflate: bool = False
    keys: int = 10_000


class RetentionPolicy:
    """The retention of every log. The first rule whose pattern matches counts (`room:*`, `topic:metrics`)."""

    def __init__(self, default: Retention | None = None, rules: Sequence[tuple[str, Retention]] = ()) -> None:
        self.default = default or Retention()
        self._rules = tuple(rules)
        self.of = lru_cache(maxsize=8192)(self._find)

    def _find(self, log: str) -> Retention:
        for pattern, retention in self._rules:
            if fnmatchcase(log, pattern):
                return retention
        return self.default

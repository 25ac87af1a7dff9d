"""Who is at the other end of a connection, as `authenticate` said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class User:
    """A user with attributes. Group rules and permissions see these, never what the client says of itself.

    `groups` are given at login, besides what rules and calls add. `expires_at` is in seconds since 1970,
    None for never.
    """

    name: str
    attributes: Mapping[str, Any] = field(default_factory=dict)
    groups: frozenset[str] = frozenset()
    anonymous: bool = False
    expires_at: float | None = None

"""Who may do what, by default and by the application's word (docs/protocol.md section 5)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from hubbub.errors import Denied
from hubbub.hub.users import User
from hubbub.protocol.channels import Channel

Action = Literal["join", "publish", "subscribe", "history", "members", "moderate"]

Authorize = Callable[[User, Action, str], bool | None]
"""True allows, False forbids, None leaves it to the default."""


def default_authorize(user: User, action: Action, channel: str) -> bool | None:
    return None


def require(verdict: bool | None, user: User, action: Action, channel: Channel) -> None:
    """Raises `Denied` (`forbidden`) where the application forbids it, or nobody but it could allow it."""
    if verdict is None:
        verdict = _by_default(user, action, channel)
    if not verdict:
        raise Denied("forbidden", f"you may not {action} {channel.text}", field="channel")


def _by_default(user: User, action: Action, channel: Channel) -> bool:
    if action == "moderate":
        return False
    if channel.kind in ("group", "all"):
        return False
    if channel.kind == "user":
        return action == "publish" or channel.id == user.name
    return True

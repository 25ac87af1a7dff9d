"""What configuration says of a channel's log: what becomes of readers that fall off it, and of superseded records."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Any

import msgspec

from hubbub.config import ChannelSettings
from hubbub.protocol.channels import Channel
from hubbub.protocol.messages import ApplicationMessage

_DEFAULT = ChannelSettings(channel="*")
_MAX_KNOWN = 8192


class ChannelRules:
    """The first rule whose pattern matches the log's name counts."""

    def __init__(self, rules: Sequence[ChannelSettings]) -> None:
        self._rules = tuple(rules)
        self._known: dict[str, ChannelSettings] = {}
        self.conflates = any(rule.overrun == "conflate" for rule in rules)

    def of(self, log: str) -> ChannelSettings:
        if not self._rules:
            return _DEFAULT
        known = self._known.get(log)
        if known is None:
            known = next((rule for rule in self._rules if fnmatchcase(log, rule.channel)), _DEFAULT)
            if len(self._known) >= _MAX_KNOWN:
                self._known.clear()
            self._known[log] = known
        return known

    def key_of(self, channel: Channel, message: ApplicationMessage) -> str:
        """By what a record supersedes those before it; empty where nothing is conflated."""
        rule = self.of(channel.log)
        if rule.overrun != "conflate":
            return ""
        value: Any = {
            "payload": _tree(message.payload),
            "metadata": _tree(message.metadata),
            "sender": message.sender,
        }
        for name in rule.key.split("."):
            value = value.get(name) if isinstance(value, dict) else None
        # A log of topics has several channels, each with keys of its own.
        return "" if value is None else f"{channel.text} {msgspec.json.encode(value).decode()}"


def _tree(value: Any) -> Any:
    return None if value is msgspec.UNSET else msgspec.to_builtins(value, str_keys=True)

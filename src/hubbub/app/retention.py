"""From settings to what each log keeps."""

from __future__ import annotations

from hubbub.config import ChannelSettings, Settings
from hubbub.delivery.retention import Retention, RetentionPolicy


def retention_of(settings: Settings) -> RetentionPolicy:
    """The retention of every log: the settings' own, and what their rules change of it by pattern."""
    default = Retention(settings.retention_messages, settings.retention_bytes, settings.retention_age)
    return RetentionPolicy(default, [(rule.channel, _rule(default, rule)) for rule in settings.channels])


def _rule(default: Retention, rule: ChannelSettings) -> Retention:
    return Retention(
        messages=default.messages if rule.messages is None else rule.messages,
        size=default.size if rule.bytes is None else rule.bytes,
        age=default.age if rule.age is None else rule.age,
        conflate=rule.overrun == "conflate",
    )

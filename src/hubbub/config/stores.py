"""Where things are kept: the URLs of stores."""

from __future__ import annotations

import re

from hubbub.errors import ConfigurationError

STORES = {
    "backend": ("redis", "rediss", "broker"),
    "log": ("memory", "sqlite", "redis", "rediss", "kafka", "kafkas"),
    "sessions": ("memory", "redis", "rediss", "zookeeper"),
    "registry": ("redis", "rediss", "zookeeper"),
    "documents": ("off", "postgresql"),
}
"""The schemes that each setting takes."""

_EXAMPLES = {
    "memory": "memory",
    "broker": "broker:/path/to/socket (hubbub serve --workers says it)",
    "off": "off",
    "postgresql": "postgresql://user@host/database",
    "sqlite": "sqlite:///path/to/file",
    "redis": "redis://host:6379/0",
    "rediss": "rediss://host:6379/0 (TLS)",
    "kafka": "kafka://host:9092,host:9092/topic",
    "kafkas": "kafkas://host:9092/topic (TLS)",
    "zookeeper": "zookeeper://host:2181,host:2181/path",
}


def scheme_of(url: str) -> str:
    """`redis` for `redis://host`, `memory` for `memory`."""
    return url.partition(":")[0]


def hide_password(url: str) -> str:
    """A store's URL as it may be shown: without user and password."""
    return re.sub(r"([?&][^=&]*password=)[^&]*", r"\1***", re.sub(r"//.*@", "//***@", url))


def check_store(setting: str, url: str) -> None:
    """Raises `ConfigurationError` where the setting takes no such URL; empty is not set."""
    schemes = STORES[setting]
    scheme, _, rest = url.partition(":")
    needs_place = scheme not in ("memory", "off")
    if url and (scheme not in schemes or bool(rest.strip("/")) is not needs_place):
        examples = " or ".join(_EXAMPLES[one] for one in schemes)
        raise ConfigurationError(setting, f"{hide_password(url)!r}: say {examples}")

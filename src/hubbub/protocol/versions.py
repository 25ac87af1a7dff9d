"""Protocol versions: `MAJOR.MINOR`, compared as numbers (1.10 comes after 1.9)."""

from __future__ import annotations

import re
from typing import NamedTuple

from hubbub.errors import BadMessage
from hubbub.protocol.limits import VERSION_PATTERN

_is_version = re.compile(VERSION_PATTERN).match


class ProtocolVersion(NamedTuple):
    major: int
    minor: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"


LOWEST = ProtocolVersion(1, 0)
HIGHEST = ProtocolVersion(1, 2)
SUPPORTED = tuple(ProtocolVersion(1, minor) for minor in range(LOWEST.minor, HIGHEST.minor + 1))


def parse_version(text: str) -> ProtocolVersion:
    """The version that `text` names. Raises `BadMessage` (`invalid_message`, field `version`)."""
    if not _is_version(text):
        raise BadMessage("invalid_message", f"{text[:20]!r} is no MAJOR.MINOR version", field="version")
    major, _, minor = text.partition(".")
    return ProtocolVersion(int(major), int(minor))


def negotiate(highest: ProtocolVersion) -> ProtocolVersion:
    """What the two sides speak when the client's highest is `highest`: the lower of the two highest.

    Raises `BadMessage` (`unsupported_version`) for another major version.
    """
    if highest.major != HIGHEST.major:
        raise unsupported(highest)
    return min(highest, HIGHEST)


def check_supported(version: ProtocolVersion) -> None:
    """Raises `BadMessage` (`unsupported_version`) for a message newer than the server, or older than 1.0."""
    if not LOWEST <= version <= HIGHEST:
        raise unsupported(version)


def unsupported(version: ProtocolVersion) -> BadMessage:
    supported = ", ".join(map(str, SUPPORTED))
    return BadMessage("unsupported_version", f"{version} is not among {supported}", field="version")

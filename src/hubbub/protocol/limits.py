"""The bounds of the wire (docs/protocol.md sections 1, 2 and 5), in one place."""

from typing import Final

MAX_SAFE_INTEGER: Final = 2**53 - 1
"""The largest integer that JSON in a browser and a Protobuf double both carry exactly."""

MAX_DEPTH: Final = 16
"""Levels of nesting; the envelope is the first."""

MAX_TIMESTAMP: Final = 253_402_300_799_999
"""9999-12-31T23:59:59.999Z in milliseconds, where `google.protobuf.Timestamp` ends."""

MAX_CONTENT: Final = 4096
"""Characters of a text."""

MAX_METADATA: Final = 4096
"""Bytes of `metadata` as compact UTF-8 JSON."""

MAX_CHUNK: Final = 32 * 1024
"""Bytes of one decoded `data` chunk."""

MAX_CHUNK_BASE64: Final = (MAX_CHUNK + 2) // 3 * 4
"""Characters of the largest chunk as base64."""

MAX_CHANNEL: Final = 255
"""Bytes of an id in a channel, and of a user's name."""

MAX_MESSAGE: Final = 64 * 1024
"""Bytes of an inbound message, after joining fragments and inflating."""

MAX_HISTORY: Final = 300
"""Messages in one `history` answer."""

UUID_PATTERN: Final = r"^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$"
# `(?!\n)` because Python's `$` also matches before a final line break, which ECMA-262's does not.
VERSION_PATTERN: Final = r"^(0|[1-9][0-9]{0,8})\.(0|[1-9][0-9]{0,8})(?!\n)$"
URL_PATTERN: Final = r"^https?://[^\s/?#][^\s]*(?!\n)$"
BASE64_PATTERN: Final = r"^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?(?!\n)$"

"""Every error of Hubbub, in one tree.

    HubbubError
    ├── ConfigurationError            a setting is wrong; names the setting and the fix
    ├── ConnectionClosed              the connection ended: close code, reason, whether to reconnect
    ├── MessagesMissed                a log no longer has what comes next: these offsets will not come
    ├── OutcomeUnknown                a publish was sent and its acknowledgement never came
    └── ProtocolError                 what a peer is answered with: a code and a number
        ├── BadMessage                100–105: do not repeat it
        ├── Denied                    110–114: get a new token or session, or give up
        ├── Conflict                  120–125: decide
        ├── TryLater                  130–132: repeat after `retry_after_ms`
        └── InternalError             199: repeat once

The codes and numbers are those of docs/protocol.md, section 6.
"""

from __future__ import annotations

from typing import ClassVar


class HubbubError(Exception):
    """The root: catch it to catch everything that Hubbub raises on purpose."""


class ConfigurationError(HubbubError):
    """A setting is wrong. `setting` is its name, the message says what to do about it."""

    def __init__(self, setting: str, problem: str) -> None:
        super().__init__(f"{setting}: {problem}")
        self.setting = setting


class ConnectionClosed(HubbubError):
    """The connection ended.

    `code` is the close code (RFC 6455 section 7.4 and docs/protocol.md section 6; 1006 when the network
    ended it), `reconnect` whether trying again makes sense.
    """

    def __init__(self, code: int, reason: str = "") -> None:
        super().__init__(f"connection closed with {code}" + (f": {reason}" if reason else ""))
        self.code = code
        self.reason = reason

    @property
    def reconnect(self) -> bool:
        return self.code in {1001, 1006, 1011, 1012, 1013, 4401, 4408, 4410, 4429}


class MessagesMissed(HubbubError):
    """What came next in a log is no longer kept: the offsets `first` to `last`, both included, will not come.

    Reading on goes on after them.
    """

    def __init__(self, log: str, first: int, last: int, reason: str = "retention") -> None:
        super().__init__(f"messages {first} to {last} of {log} will not come: {reason}")
        self.log = log
        self.first = first
        self.last = last
        self.reason = reason


class OutcomeUnknown(HubbubError):
    """A message went out and no answer came before the connection or the patience ended.

    It may or may not be in the log. The caller decides: publishing it again under the same message id is
    harmless within one session, and may be a duplicate in another.
    """

    def __init__(self, message_id: str) -> None:
        super().__init__(f"no acknowledgement of message {message_id}")
        self.message_id = message_id


class ProtocolError(HubbubError):
    """An error that stands in the protocol: what the peer gets as an `error` message.

    `code` names it, `number` too; `field` is the dotted path of the field at fault, `message_id` the
    request it answers, `retry_after_ms` when to come again.
    """

    NUMBERS: ClassVar[dict[str, int]] = {
        "invalid_json": 100,
        "invalid_message": 101,
        "invalid_channel": 102,
        "unknown_type": 103,
        "unsupported_version": 104,
        "too_large": 105,
        "unauthorized": 110,
        "token_expired": 111,
        "forbidden": 112,
        "muted": 113,
        "session_expired": 114,
        "not_found": 120,
        "already_joined": 121,
        "not_joined": 122,
        "room_full": 123,
        "already_exists": 124,
        "already_migrating": 125,
        "rate_limited": 130,
        "too_many_pending": 131,
        "unavailable": 132,
        "internal": 199,
    }

    def __init__(
        self,
        code: str,
        reason: str = "",
        *,
        field: str | None = None,
        message_id: str | None = None,
        retry_after_ms: int | None = None,
    ) -> None:
        super().__init__(f"{code}: {reason}" if reason else code)
        self.code = code
        self.reason = reason
        self.field = field
        self.message_id = message_id
        self.retry_after_ms = retry_after_ms

    @property
    def number(self) -> int:
        """The code's number; 199 for a code that a newer peer invented."""
        return self.NUMBERS.get(self.code, 199)


class BadMessage(ProtocolError):
    """The message breaks a rule (100–105). Repeating it is of no use."""


class Denied(ProtocolError):
    """The user may not (110–114)."""


class Conflict(ProtocolError):
    """The state of the hub does not allow it now (120–125). The caller decides."""


class TryLater(ProtocolError):
    """Not now (130–132): repeat after `retry_after_ms`."""


class InternalError(ProtocolError):
    """The server failed (199): repeat once."""

    def __init__(self, reason: str = "the server failed", *, message_id: str | None = None) -> None:
        super().__init__("internal", reason, message_id=message_id)


def error_of(
    code: str,
    reason: str = "",
    *,
    field: str | None = None,
    message_id: str | None = None,
    retry_after_ms: int | None = None,
) -> ProtocolError:
    """The error of the tree for a code that came over the wire."""
    number = ProtocolError.NUMBERS.get(code, 199)
    if number == 199:
        kind: type[ProtocolError] = ProtocolError
        if code == "internal":
            return InternalError(reason, message_id=message_id)
    else:
        kind = {10: BadMessage, 11: Denied, 12: Conflict, 13: TryLater}[number // 10]
    return kind(code, reason, field=field, message_id=message_id, retry_after_ms=retry_after_ms)

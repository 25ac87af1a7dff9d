"""What nodes say to each other about sessions: small messages by mailbox, each of which may be lost."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from hubbub.ports import Mailbox
from hubbub.ports.answers import answer

log = logging.getLogger("hubbub.cluster")


class Taken(Struct, tag=True, frozen=True):
    """The session is at `node` from now on, under this fence."""

    digest: str
    fence: int
    node: str


class Returned(Struct, tag=True, frozen=True):
    """The session was taken under this fence, but not brought to its end: it is the receiver's again."""

    digest: str
    fence: int


class Prepare(Struct, tag=True, frozen=True):
    """A session of `node` is about to be moved to the receiver.

    `ticket` is the SHA-256, in hexadecimal, of what the client will show within `seconds`.
    """

    digest: str
    ticket: str
    seconds: float
    node: str


class Prepared(Struct, tag=True, frozen=True):
    """The answer of `node`: whether the session may come."""

    digest: str
    node: str
    ready: bool


class Drain(Struct, tag=True, frozen=True):
    """An administrator: send everyone away, spread over so many seconds at most; without, take part again."""

    over: float | None = None


class Rebalance(Struct, tag=True, frozen=True):
    """An administrator: so many clients are to go to each of these nodes, spread over so many seconds at most."""

    targets: dict[str, int]
    over: float


_Mail = Taken | Returned | Prepare | Prepared | Drain | Rebalance
M = TypeVar("M", bound=Struct)

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(_Mail).decode


class Post:
    """One node's mail. Say who takes what by `on`, then `open`."""

    def __init__(self, mailbox: Mailbox, name: str) -> None:
        self._mailbox = mailbox
        self._topic = _topic_of(name)
        self._takers: dict[type[Struct], Callable[[Any], None]] = {}

    def on(self, kind: type[M], take: Callable[[M], None]) -> None:
        self._takers[kind] = take

    async def open(self) -> None:
        await answer(self._mailbox.open(self._topic, self._receive))

    def close(self) -> None:
        self._mailbox.leave(self._topic)

    def send(self, node: str, message: Taken | Returned | Prepare | Prepared | Rebalance) -> None:
        """Sends soon; what cannot be sent is lost."""
        send(self._mailbox, node, message)

    def _receive(self, data: bytes) -> None:
        try:
            message = _decode(data)
        except msgspec.MsgspecError as error:
            # A newer node may have more to say.
            log.debug("ignored mail of another node: %s", error)
            return
        try:
            self._takers[type(message)](message)
        except Exception:
            log.exception("mail of another node was not handled")


def send(mailbox: Mailbox, node: str, message: _Mail) -> None:
    """Sends to a node, also from what is none itself. What cannot be sent is lost."""
    mailbox.send(_topic_of(node), _encode(message))


def _topic_of(node: str) -> str:
    return f"sessions@{node}"

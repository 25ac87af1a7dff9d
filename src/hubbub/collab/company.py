"""What the nodes that have a document in memory tell each other beside its log: who came, and where everybody is.

Each letter may be lost: cursors are told again now and then.
"""

from __future__ import annotations

import logging
from typing import Protocol

import msgspec
from msgspec import Struct

from hubbub import HubbubError
from hubbub.collab.archive import answer
from hubbub.collab.sharing import Peers
from hubbub.protocol.payloads import Cursor

log = logging.getLogger("hubbub.collab")


class Began(Struct, tag=True, frozen=True):
    """The node has the document in memory from now on: it knows no cursors yet."""

    run: str


class Entered(Struct, tag=True, frozen=True):
    """Somebody opened the document there, as this author."""

    run: str
    client_id: str


class Pointed(Struct, tag=True, frozen=True):
    """Where an author who is there is now."""

    run: str
    client_id: str
    user: str
    cursor: Cursor


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Began | Entered | Pointed).decode


class Here(Protocol):
    """Who has the document open at this node."""

    def entered_elsewhere(self, client_id: str) -> None: ...
    def pointed_elsewhere(self, client_id: str, user: str, cursor: Cursor) -> None: ...
    def point_all(self) -> None:
        """Says where everybody here is, by `Company.point`."""
        ...


class Company:
    """The other nodes, of one document."""

    def __init__(self, id: str, peers: Peers, here: Here) -> None:
        self._topic = f"document@{id}"
        self._mailbox = peers.mailbox
        self._run = peers.run
        self._here = here

    async def open(self) -> None:
        """What they say comes from now on."""
        try:
            await answer(self._mailbox.open(self._topic, self._received))
        except HubbubError as error:
            log.warning("the cursors of other nodes cannot be had: %s", error)
            return
        self._send(Began(self._run))

    def close(self) -> None:
        self._mailbox.leave(self._topic)

    def enter(self, client_id: str) -> None:
        self._send(Entered(self._run, client_id))

    def point(self, client_id: str, user: str, cursor: Cursor) -> None:
        self._send(Pointed(self._run, client_id, user, cursor))

    def _send(self, letter: Began | Entered | Pointed) -> None:
        self._mailbox.send(self._topic, _encode(letter))

    def _received(self, data: bytes) -> None:
        try:
            letter = _decode(data)
        except msgspec.MsgspecError as error:
            # A newer node may speak otherwise.
            log.debug("a letter about a document cannot be read: %s", error)
            return
        if letter.run == self._run:
            return
        if isinstance(letter, Pointed):
            self._here.pointed_elsewhere(letter.client_id, letter.user, letter.cursor)
        elif isinstance(letter, Entered):
            self._here.entered_elsewhere(letter.client_id)
        else:
            self._here.point_all()

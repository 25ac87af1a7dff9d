"""Whose operations a document has had: what makes one that is sent again count once."""

from __future__ import annotations

import re
import secrets
from collections import OrderedDict

import msgspec
from msgspec import Struct

from hubbub import BadMessage, Denied

_is_id = re.compile(r"[0-9a-f]{8,64}\Z").match

OWNER = "owner"
"""Whose records say which node owns the document: nobody can have it as a client id."""

MOST = 10_000
"""Authors of one document that are remembered; the one who was silent longest goes first."""


class Author(Struct, array_like=True):
    """Somebody who edits, over all connections: whose client id it is, and the last operation that was had of it."""

    user: str
    seq: int = 0
    revision: int = 0


_decode = msgspec.json.Decoder(dict[str, Author]).decode
encode_authors = msgspec.json.Encoder().encode


class Authors:
    """By client id, the one who was silent longest first."""

    def __init__(self, stored: bytes = b"{}") -> None:
        """`stored` is what `encode` gave. Raises `msgspec.DecodeError` for anything else."""
        self._authors: OrderedDict[str, Author] = OrderedDict(_decode(stored))
        self.find = self._authors.get
        """The author with a client id, or None."""

    def __len__(self) -> int:
        return len(self._authors)

    def admit(self, user: str, client_id: str | None) -> str:
        """The client id of a user who comes: the one that they had, or a new one.

        Raises `BadMessage` for what is no client id, `Denied` (`forbidden`) for another user's.
        """
        if client_id is None:
            client_id = secrets.token_hex(8)
        elif not _is_id(client_id):
            raise BadMessage("invalid_message", "is 8 to 64 of 0-9 a-f", field="clientId")
        known = self._authors.get(client_id)
        if known is not None and known.user != user:
            raise Denied("forbidden", "is another user's", field="clientId")
        return client_id

    def note(self, client_id: str, user: str, seq: int, revision: int) -> None:
        """An operation of this author is at this revision."""
        author = self._authors.get(client_id)
        if author is None:
            self._authors[client_id] = Author(user, seq, revision)
            if len(self._authors) > MOST:
                self._authors.popitem(last=False)
            return
        author.user = user
        author.seq = seq
        author.revision = revision
        self._authors.move_to_end(client_id)

    def encode(self) -> bytes:
        return encode_authors(self._authors)

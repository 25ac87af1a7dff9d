"""Large contents in pieces: cut for sending, joined on arrival, within limits (type `data`)."""

from __future__ import annotations

import base64
import uuid
from collections import OrderedDict
from collections.abc import Iterator

from msgspec import Struct

from hubbub.errors import BadMessage
from hubbub.protocol.limits import MAX_CHUNK
from hubbub.protocol.payloads import Data


class Transfer(Struct, frozen=True):
    """A content whose pieces have all come."""

    transfer_id: str
    mime_type: str
    content: bytes


def cut(content: bytes, mime_type: str) -> Iterator[Data]:
    """The pieces of a content, each at most 32 KiB; an empty content is one empty piece."""
    transfer_id = str(uuid.uuid4())
    count = max(1, -(-len(content) // MAX_CHUNK))
    for index in range(count):
        chunk = content[index * MAX_CHUNK : (index + 1) * MAX_CHUNK]
        yield Data(
            transfer_id=transfer_id,
            index=index,
            count=count,
            mime_type=mime_type,
            chunk=base64.b64encode(chunk).decode(),
        )


class _Open:
    __slots__ = ("began", "count", "mime_type", "pieces", "size")

    def __init__(self, piece: Data, now: float) -> None:
        self.began = now
        self.count = piece.count
        self.mime_type = piece.mime_type
        self.pieces: dict[int, bytes] = {}
        self.size = 0


class PieceJoiner:
    """Joins pieces by sender and transfer.

    At most `limit` bytes a content, `transfers` at a time (the oldest is given up for a new one) and
    `patience` seconds from its first piece to its last.
    """

    def __init__(self, *, limit: int = 16 * 1024 * 1024, transfers: int = 16, patience: float = 60.0) -> None:
        self._limit = limit
        self._transfers = transfers
        self._patience = patience
        self._open: OrderedDict[tuple[str, str], _Open] = OrderedDict()

    def add(self, sender: str, piece: Data, now: float) -> Transfer | None:
        """The whole content when this was its last piece. A piece that comes twice counts once.

        Raises `BadMessage` for pieces that do not fit together or grow past the limit; the transfer is over.
        """
        self._expire(now)
        key = (sender, piece.transfer_id)
        one = self._open.get(key)
        if one is None:
            if len(self._open) >= self._transfers:
                self._open.popitem(last=False)
            one = self._open[key] = _Open(piece, now)
        if piece.count != one.count or piece.index >= one.count or piece.mime_type != one.mime_type:
            del self._open[key]
            raise BadMessage("invalid_message", "the pieces do not fit together", field="payload.index")
        if piece.index not in one.pieces:
            chunk = base64.b64decode(piece.chunk)
            one.pieces[piece.index] = chunk
            # An empty piece costs something, too.
            one.size += max(1, len(chunk))
        if one.size > self._limit:
            del self._open[key]
            raise BadMessage("too_large", f"over {self._limit} bytes joined", field="payload.chunk")
        if len(one.pieces) < one.count:
            return None
        del self._open[key]
        content = b"".join(one.pieces[index] for index in range(one.count))
        return Transfer(piece.transfer_id, one.mime_type, content)

    def _expire(self, now: float) -> None:
        while self._open:
            key, oldest = next(iter(self._open.items()))
            if now - oldest.began <= self._patience:
                return
            del self._open[key]

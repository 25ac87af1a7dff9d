"""Tickets of sessions that are about to come from another node. Each is good once, for one session, for some time."""

from __future__ import annotations

import hashlib
import hmac
from collections import OrderedDict

LIMIT = 100_000
"""Tickets that are kept; beyond, the oldest is no good any more."""


class Tickets:
    """One for each session at most: a newer one takes the place of the one before. Times by one monotonic clock."""

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._expected: OrderedDict[bytes, tuple[str, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._expected)

    def expect(self, digest: bytes, ticket: str, until: float) -> None:
        """`ticket` is what `hash_of` says of the one that the session with this digest will show."""
        self._expected[digest] = ticket, until
        self._expected.move_to_end(digest)
        while len(self._expected) > self._limit:
            self._expected.popitem(last=False)

    def redeem(self, digest: bytes, ticket: str, now: float) -> bool:
        """Whether this ticket lets this session in. A wrong one does the right one no harm."""
        expected, until = self._expected.get(digest, ("", 0.0))
        # Compared also where there is none, and by hash: how long it takes says nothing.
        if not hmac.compare_digest(expected, hash_of(ticket)) or now >= until:
            return False
        del self._expected[digest]
        return True

    def sweep(self, now: float) -> None:
        """Forgets those whose time is over, as far as nothing newer is in front of them."""
        while self._expected and next(iter(self._expected.values()))[1] <= now:
            self._expected.popitem(last=False)


def hash_of(ticket: str) -> str:
    """What is kept and sent of a ticket, in hexadecimal: not the ticket itself."""
    return hashlib.sha256(ticket.encode("utf-8", "replace")).hexdigest()

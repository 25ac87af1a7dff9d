"""Where a reader that brings a position goes on: is all that it missed still there?"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from msgspec import Struct

from hubbub.hub.feed import Feed
from hubbub.hub.journal import Journal, Stretch
from hubbub.protocol.payloads import Position

STRETCH = 128
"""Records that are read at a time for a reader that lags."""


class Located(Struct):
    """The reader goes on after `offset`. `page` is what comes next there, where it is in hand already.

    `oldest` is the first offset that the log keeps.
    """

    recovered: bool
    epoch: str
    offset: int
    oldest: int
    page: Stretch | None = None


def locate(journal: Journal, log: str, wanted: Position, then: Callable[[Located | None], None]) -> None:
    """Calls `then` with where a reader at this position goes on; None when the log cannot be had now.

    A position of another epoch, from the future, or before what is kept goes on from the oldest record. Those that
    come next are in hand then: until they are read, retention might have taken them, too, and that would be
    another gap. A log that conflates may have kept some that are older than what it lost: then the reader goes on
    where it was, and is told of the rest as it reads.
    """
    journal.read(log, partial(_looked, journal, log, wanted, then), after=wanted.offset, limit=0)


def agrees(journal: Journal, feed: Feed, place: Located) -> bool:
    """Whether the place is in the log that the feed reads. When it is not, one of them is about to be another."""
    if feed.epoch and place.epoch != feed.epoch:
        journal.doubt(feed, place.epoch, place.oldest)
    return not feed.epoch or place.epoch == feed.epoch


def _looked(
    journal: Journal, log: str, wanted: Position, then: Callable[[Located | None], None], page: Stretch | None
) -> None:
    if page is None:
        then(None)
    elif _is_comparable(wanted, page) and page.oldest - 1 <= wanted.offset:
        then(Located(True, page.epoch, wanted.offset, page.oldest))
    else:
        after = wanted.offset if _is_comparable(wanted, page) else 0
        journal.read(log, partial(_begun, wanted, then), after=after, limit=STRETCH)


def _begun(wanted: Position, then: Callable[[Located | None], None], page: Stretch | None) -> None:
    if page is None:
        then(None)
        return
    first = min(page.oldest, page.entries[0][0]) if page.entries else page.oldest
    if first < page.oldest and _is_comparable(wanted, page):
        then(Located(True, page.epoch, wanted.offset, page.oldest, page))
    else:
        then(Located(False, page.epoch, first - 1, page.oldest, page))


def _is_comparable(wanted: Position, page: Stretch) -> bool:
    return page.epoch == wanted.epoch and wanted.offset <= page.head

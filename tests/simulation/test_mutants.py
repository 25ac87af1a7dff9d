"""The checker finds what it is for: bugs planted in the real code, within a few seeds that are clean without them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import count
from typing import Any

import pytest

from hubbub.client.positions import Positions
from hubbub.delivery.dedup import Windows
from hubbub.hub.catchup import CatchUp
from hubbub.hub.feed import Reader
from hubbub.hub.feeds import Feeds
from hubbub.hub.locating import Located
from hubbub.hub.outbox import Outbox
from hubbub.hub.publishing import Publication
from hubbub.hub.restoring import Restoration
from hubbub.node.journal import LogJournal, _append
from hubbub.protocol.messages import GapMessage
from hubbub.testing.simulation.run import simulate

SEEDS = range(150)

Plant = Callable[[pytest.MonkeyPatch], None]


def dedup_off(patch: pytest.MonkeyPatch) -> None:
    """A repeat is stored, and delivered, a second time."""
    patch.setattr(Windows, "find", lambda self, session, message_id, now: None)


def ack_before_append(patch: pytest.MonkeyPatch) -> None:
    """The publisher is told at once, and the log has it a little later, if no crash comes between."""

    def append(self: LogJournal, batch: list[Publication]) -> None:
        offsets: dict[str, int] = {}
        for publication in batch:
            log = publication.channel.log
            head: Any = self._store.head(log)
            offsets[log] = offsets.get(log, head.offset) + 1
            self._hub.publishing.committed(publication, head.epoch, offsets[log], False)
        loop = asyncio.get_running_loop()
        loop.call_later(0.5, self._store.append, [_append(publication) for publication in batch])

    patch.setattr(LogJournal, "append", append)


def recovery_skips_one(patch: pytest.MonkeyPatch) -> None:
    """A session that comes back is told the right position, and reads on one record after it."""

    def enter(self: Restoration, found: Any) -> None:
        place = Located(True, found.place.epoch, found.place.offset + 1, found.place.oldest)
        self._hub.feeds.enter(found.feed, self._session, place, ack=found.rest.ack, rest=found.rest)

    patch.setattr(Restoration, "_enter", enter)


def live_before_recovered(patch: pytest.MonkeyPatch) -> None:
    """A reader that has yet to catch up gets what is new first, and what it missed when there is time."""
    enter, step = Feeds.enter, CatchUp.step
    calls = count()

    def hurry(self: Feeds, feed: Any, session: Any, place: Located | None = None, **more: Any) -> Reader:
        reader = enter(self, feed, session, place, **more)
        if reader.lagging and reader.connection.is_pushed:
            feed.add(reader)
            reader.lagging = True
        return reader

    def dawdle(self: CatchUp) -> None:
        if next(calls) % 50 == 0:
            step(self)

    patch.setattr(Feeds, "enter", hurry)
    patch.setattr(CatchUp, "step", dawdle)


def repeats_reach_the_program(patch: pytest.MonkeyPatch) -> None:
    """What a rewound position brings again is not dropped by the client."""
    receive = Positions.receive

    def all_is_new(self: Positions, log: str, offset: int) -> bool:
        receive(self, log, offset)
        return True

    patch.setattr(Positions, "receive", all_is_new)


def gap_too_short(patch: pytest.MonkeyPatch) -> None:
    """The gap that is told ends one before what really comes next."""
    send = Outbox.send

    def shorten(self: Outbox, connection: Any, message: Any) -> None:
        if isinstance(message, GapMessage) and message.payload.reason == "retention":
            message.payload.to -= 1
        send(self, connection, message)

    patch.setattr(Outbox, "send", shorten)


def gap_in_silence(patch: pytest.MonkeyPatch) -> None:
    """A reader that falls off the log goes on without a word."""

    patch.setattr(CatchUp, "_tell_gap", lambda self, reader, epoch, first, last: None)


MUTANTS: list[Plant] = [
    dedup_off,
    ack_before_append,
    recovery_skips_one,
    live_before_recovered,
    repeats_reach_the_program,
    gap_too_short,
    gap_in_silence,
]


@pytest.mark.parametrize("plant", MUTANTS, ids=[plant.__name__ for plant in MUTANTS])
def test_a_planted_bug_is_found(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)
    for seed in SEEDS:
        result = simulate(seed)
        if result.violations:
            monkeypatch.undo()
            assert simulate(seed).violations == []
            return
    pytest.fail(f"{plant.__doc__} Nobody noticed in {len(SEEDS)} seeds.")

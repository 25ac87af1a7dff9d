"""The checker finds what it is for: bugs planted in the real code, within a few seeds that are clean without them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from typing import Any

import pytest

from hubbub.client.positions import Positions
from hubbub.delivery.dedup import Windows
from hubbub.hub import locating
from hubbub.hub.catchup import CatchUp
from hubbub.hub.feed import Reader
from hubbub.hub.feeds import Feeds
from hubbub.hub.locating import Located
from hubbub.hub.outbox import Outbox
from hubbub.hub.publishing import Publication
from hubbub.hub.restoring import Restoration
from hubbub.hub.session import Session
from hubbub.hub.sessions import Sessions
from hubbub.node.journal import LogJournal
from hubbub.protocol.messages import GapMessage
from hubbub.protocol.payloads import Position
from hubbub.server import greeting
from hubbub.testing.power import Content
from hubbub.testing.simulation.run import simulate

SEEDS = range(150)

Plant = Callable[[pytest.MonkeyPatch], None]


def dedup_off(patch: pytest.MonkeyPatch) -> None:
    """A repeat is stored, and delivered, a second time."""
    patch.setattr(Windows, "find", lambda self, session, message_id, now: None)


def ack_before_append(patch: pytest.MonkeyPatch) -> None:
    """The publisher is told at once, and the log has it a little later, if no crash comes between."""

    append_later = LogJournal.append

    def append(self: LogJournal, batch: list[Publication]) -> None:
        if not isinstance(self._store.head("all"), Position):
            append_later(self, batch)
            return
        offsets: dict[str, int] = {}
        for publication in batch:
            log = publication.channel.log
            head: Any = self._store.head(log)
            offsets[log] = offsets.get(log, head.offset) + 1
            self._hub.publishing.acknowledge(publication, head.epoch, offsets[log])
        asyncio.get_running_loop().call_later(0.5, append_later, self, batch)

    patch.setattr(LogJournal, "append", append)


def recovery_skips_one(patch: pytest.MonkeyPatch) -> None:
    """A session that comes back is told the right position, and reads on one record after it."""

    def enter(self: Restoration, found: Any) -> None:
        skipped = found.place.offset < found.feed.flushed
        place = Located(True, found.place.epoch, found.place.offset + skipped, found.place.oldest)
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


def leaving_is_told_at_once(patch: pytest.MonkeyPatch) -> None:
    """Who loses the connection has left, for the others, without any grace."""
    detach = Sessions.detach

    def hurry(self: Sessions, session: Session) -> None:
        detach(self, session)
        for room in list(session.rooms.values()):
            self._hub.membership.step_out(room, session)

    patch.setattr(Sessions, "detach", hurry)


def the_rest_is_forgotten(patch: pytest.MonkeyPatch) -> None:
    """What a socket does not take at once is not sent."""

    def write(self: Outbox) -> None:
        dirty, self._dirty = self._dirty, []
        for connection in dirty:
            data, connection.out = connection.out, b""
            with suppress(OSError):
                connection.transport.send(data)

    patch.setattr(Outbox, "write", write)


def late_attempts_take_the_session(patch: pytest.MonkeyPatch) -> None:
    """An attempt that its client gave up replaces the one that lives."""
    patch.setattr(greeting, "_check_attempt", lambda session, wanted: None)


def more_is_told_missing_than_is(patch: pytest.MonkeyPatch) -> None:
    """A session that fell off the log goes on two records after the oldest, and says so."""
    begun = locating._begun

    def skip(wanted: Position, then: Callable[[Located | None], None], page: Any) -> None:
        def told(place: Located | None) -> None:
            if place is not None and not place.recovered and page is not None:
                place = Located(False, place.epoch, min(place.offset + 2, page.head), place.oldest)
            then(place)

        begun(wanted, told, page)

    patch.setattr(locating, "_begun", skip)


def the_disk_lies(patch: pytest.MonkeyPatch) -> None:
    """What is said to be synced is not."""
    patch.setattr(Content, "sync", lambda self: None)


MUTANTS: list[Plant] = [
    dedup_off,
    ack_before_append,
    recovery_skips_one,
    live_before_recovered,
    repeats_reach_the_program,
    gap_too_short,
    gap_in_silence,
    leaving_is_told_at_once,
    the_rest_is_forgotten,
    late_attempts_take_the_session,
    more_is_told_missing_than_is,
    the_disk_lies,
]


@pytest.mark.slow
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

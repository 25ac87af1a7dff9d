"""The guarantee, as a program: it looks for what was lost, doubled, out of order, or missing in silence.

A message that the hub acknowledged to its publisher is handed to the application callback of every subscriber
whose session lives, once and in the channel's order. Where that is impossible, the subscriber is told which range
is missing. Never silence.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from msgspec import Struct

from hubbub.errors import MessagesMissed
from hubbub.ports import Page
from hubbub.protocol.channels import Channel, topic_matches
from hubbub.protocol.payloads import Position
from hubbub.testing.simulation.witness import Record, Truth

NEW_EPOCH = ("the log was begun anew", "epoch")
"""What `MessagesMissed` gives as its reason where a log is another one now."""


class Heard(Struct):
    """What one subscription was handed, in order: messages (id, offset) and ranges that it was told are missing."""

    who: str
    channel: Channel
    start: int
    """How many records its log had when the subscription had begun: all later ones are to come."""
    events: list[tuple[str, int] | MessagesMissed] = []

    def wants(self, channel: str) -> bool:
        return channel == self.channel.text or (self.channel.is_pattern and topic_matches(self.channel.text, channel))


class Acknowledged(Struct, frozen=True):
    """What a publisher was told: the message with this id stands there."""

    who: str
    message_id: str
    channel: str
    position: Position


def check(truth: Truth, heard: Sequence[Heard], acknowledged: Sequence[Acknowledged]) -> list[str]:
    """Everything that breaks the guarantee, in words; empty when nothing does."""
    return [
        *_check_log(truth),
        *_check_acknowledged(truth, acknowledged),
        *(line for one in heard for line in _Hearing(truth, one).violations()),
    ]


def is_complete(truth: Truth, heard: Heard) -> bool:
    """Whether the subscription has got, or was told missing, everything so far."""
    return not any(_Hearing(truth, heard).silent())


def still_kept(truth: Truth, heard: Heard, missed: MessagesMissed, page: Page) -> Iterator[Record]:
    """What a subscription is being told missing although the log, whose `page` has all of it now, keeps it."""
    if missed.reason != "retention":
        return
    kept = {offset for offset, _ in page.entries}
    got = [event[0] for event in heard.events if isinstance(event, tuple)]
    records = truth.records.get(heard.channel.log, [])
    epochs = {record.epoch for record in records}
    # An offset says nothing without its epoch: that of what came last, where there were several.
    epoch = next((record.epoch for id in reversed(got) for record in truth.by_id.get(id, ())), None)
    if page.epoch not in (epoch, *epochs) or (len(epochs) > 1 and epoch != page.epoch):
        return
    for record in records[heard.start :]:
        is_told = record.epoch == page.epoch and missed.first <= record.offset <= missed.last
        if is_told and record.offset in kept and heard.wants(record.channel) and record.message_id not in got:
            yield record


def _check_log(truth: Truth) -> Iterator[str]:
    for message_id, records in truth.by_id.items():
        if len(records) > 1:
            places = ", ".join(f"{record.log} {record.epoch}/{record.offset}" for record in records)
            yield f"message {message_id} stands in the log {len(records)} times: {places}"
    for records in truth.records.values():
        for before, after in pairwise(records):
            if before.epoch == after.epoch and after.offset <= before.offset:
                yield f"offsets of {after.log} do not grow: {before.offset}, then {after.offset}"


def _check_acknowledged(truth: Truth, acknowledged: Sequence[Acknowledged]) -> Iterator[str]:
    for ack in acknowledged:
        places = [(record.epoch, record.offset) for record in truth.by_id.get(ack.message_id, ())]
        if (ack.position.epoch, ack.position.offset) not in places:
            yield f"{ack.who} was told that {ack.message_id} stands at {ack.position}, and it stands at {places}"


class _Hearing:
    """One subscription held against the truth."""

    def __init__(self, truth: Truth, heard: Heard) -> None:
        self._heard = heard
        self._records = truth.records.get(heard.channel.log, [])
        self._by_id = {record.message_id: record for record in self._records}
        self._ranks: dict[str, int] = {}
        for record in self._records:
            self._ranks.setdefault(record.epoch, len(self._ranks))

    def violations(self) -> Iterator[str]:
        yield from self._disorder()
        yield from self._wrong_gaps()
        for record in self.silent():
            yield f"{self._name}: {record.message_id} at {record.epoch}/{record.offset} was lost in silence"

    def silent(self) -> Iterator[Record]:
        """What was to come, has not come, and was not told missing."""
        got = {event[0] for event in self._heard.events if isinstance(event, tuple)}
        gaps = list(self._gaps())
        for record in self._records[self._heard.start :]:
            if not self._heard.wants(record.channel) or record.message_id in got:
                continue
            if not any(self._covers(gap, record) for gap in gaps):
                yield record

    @property
    def _name(self) -> str:
        return f"{self._heard.who} on {self._heard.channel.text}"

    def _disorder(self) -> Iterator[str]:
        last = -1
        seen: set[str] = set()
        for event in self._heard.events:
            if isinstance(event, MessagesMissed):
                continue
            message_id, offset = event
            record = self._by_id.get(message_id)
            if record is None:
                yield f"{self._name}: {message_id} at {offset} was never in the log"
            elif message_id in seen:
                yield f"{self._name}: {message_id} at {record.offset} came twice"
            elif record.place < last:
                yield f"{self._name}: {message_id} at {record.offset} came after what is newer"
            else:
                last = record.place
            seen.add(message_id)

    def _gaps(self) -> Iterator[tuple[MessagesMissed, int, int]]:
        """What was told missing, with the ranks of the epochs before and after it."""
        events = self._heard.events
        for at, event in enumerate(events):
            if isinstance(event, MessagesMissed):
                yield event, self._rank(reversed(events[:at]), 0), self._rank(events[at:], len(self._ranks))

    def _rank(self, events: Iterator[object] | Sequence[object], default: int) -> int:
        for event in events:
            if isinstance(event, tuple) and event[0] in self._by_id:
                return self._ranks[self._by_id[event[0]].epoch]
        return default

    def _covers(self, gap: tuple[MessagesMissed, int, int], record: Record) -> bool:
        missed, before, after = gap
        rank = self._ranks[record.epoch]
        if missed.reason in NEW_EPOCH and before <= rank < after:
            return True
        return before <= rank <= after and missed.first <= record.offset <= missed.last

    def _rank_at(self, at: int) -> int | None:
        """The rank of the epoch at an event, by the messages around it; None where no message of it came."""
        events = self._heard.events
        for side in (events[at + 1 :], events[at::-1][1:]):
            for event in side:
                if isinstance(event, MessagesMissed):
                    if event.reason in NEW_EPOCH:
                        break
                elif event[0] in self._by_id:
                    return self._ranks[self._by_id[event[0]].epoch]
        return None

    def _wrong_gaps(self) -> Iterator[str]:
        events = self._heard.events
        for at, event in enumerate(events):
            # Of a log begun anew, two subscriptions on it may come at different places: telling too much is no silence.
            if not isinstance(event, MessagesMissed) or event.reason in NEW_EPOCH:
                continue
            # In the epoch that goes on: nothing up to the end of the range may have come, or come later.
            here = self._rank_at(at)
            for other in events:
                if isinstance(other, MessagesMissed):
                    continue
                record = self._by_id.get(other[0])
                if record is None or self._ranks[record.epoch] != here:
                    continue
                if event.first <= record.offset <= event.last:
                    yield f"{self._name}: {record.offset} was told missing ({event.first} to {event.last}), and came"

"""From an accepted record to a committed one: offsets, repeats, and what becomes of them when the disk fails."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

from hubbub.backends.sqlite.database import Database
from hubbub.backends.sqlite.hot import HotLog
from hubbub.backends.sqlite.memory import Memory, Sent
from hubbub.backends.sqlite.writing import Batch, LogWriter, Touched
from hubbub.delivery.dedup import Window
from hubbub.errors import TryLater
from hubbub.ports import Append, Appended, Refused

Results = Sequence[Appended | Refused]
Done = Callable[[Results], None]

MOST_PENDING = 64 * 1024 * 1024
"""Bytes accepted and not committed, above which appends are refused: the disk does not keep up."""


class _Fresh(NamedTuple):
    """A record that is being written, and the place of its answer."""

    place: int
    item: Append
    log: HotLog
    offset: int
    at: float
    sent: Sent | None


class _Work:
    """A batch on its way: answers so far, what is to be written for it, and what stays in memory until then."""

    __slots__ = ("answers", "batch", "done", "fresh", "logs", "size", "waits", "windows")

    def __init__(self, done: Done, size: int, logs: dict[str, HotLog], windows: list[Window[Sent]]) -> None:
        self.done = done
        self.size = size
        """Bytes of its records."""
        self.logs = logs
        self.windows = windows
        self.answers: list[Appended | Refused | Sent] = []
        """A `Sent` for a repeat."""
        self.fresh: list[_Fresh] = []
        self.batch = Batch()
        self.waits = False
        """Whether the first record of a repeat is still being written."""
        self.pin(1)

    def pin(self, by: int) -> None:
        """With 1 what it needs stays in memory, with -1 it may go again."""
        for log in self.logs.values():
            log.pins += by
        for window in self.windows:
            window.pins += by


class Appender:
    """Gives out offsets in the order of batches, has them written, and tells when they are.

    A batch waits for those before it, also while something that it needs is read from disk.
    """

    def __init__(self, database: Database, memory: Memory, writer: LogWriter, *, log_id: int, seen_id: int) -> None:
        """`log_id` and `seen_id` are the first that are free."""
        self._database = database
        self._memory = memory
        self._writer = writer
        self._next_log = log_id
        self._next_seen = seen_id
        self._queue: deque[tuple[Sequence[Append], int, Done]] = deque()
        self._recalling = False
        self._under_way = 0
        self._pending = 0
        self.on_idle: Callable[[], None] | None = None
        """Called once when all that was accepted has its answer."""

    @property
    def idle(self) -> bool:
        return not self._queue and not self._under_way

    def append(self, items: Sequence[Append], done: Done) -> None:
        """Calls `done` with an answer for each item when they are committed, or refused."""
        if self._pending > MOST_PENDING:
            done([Refused("unavailable", "the disk does not keep up")] * len(items))
            return
        size = sum(len(item.record) for item in items)
        self._pending += size
        self._queue.append((items, size, done))
        self._advance()

    def forget(self, session: str) -> None:
        """Deletes what is known of the session's message ids."""
        seen = self._memory.seen
        seen.forget(session)
        # An empty window stands for the session until the deletion is on disk.
        window = seen.open(session, self._database.wall())
        window.pins += 1
        self._under_way += 1

        def forgotten(outcome: TryLater | None) -> None:
            window.pins -= 1
            self._under_way -= 1
            self._tell_if_idle()

        self._database.write(self._writer.forget, session, forgotten)

    def _advance(self) -> None:
        memory = self._memory
        while self._queue and not self._recalling:
            items, size, done = self._queue[0]
            logs = {item.log for item in items}
            sessions = {item.session for item in items if item.session}
            if memory.has(logs, sessions):
                self._queue.popleft()
                self._write(self._assign(items, _Work(done, size, memory.logs(logs), memory.windows(sessions))))
            else:
                self._recalling = True
                memory.recall(logs, sessions, self._recalled)

    def _recalled(self, error: TryLater | None) -> None:
        self._recalling = False
        if error is not None:
            items, size, done = self._queue.popleft()
            self._pending -= size
            done([Refused(error.code, error.reason)] * len(items))
        self._advance()
        self._tell_if_idle()

    def _assign(self, items: Sequence[Append], work: _Work) -> _Work:
        """Decides for each item whether it is a repeat, and gives it an offset if it is not."""
        now = self._database.wall()
        find = self._memory.seen.find
        refused: set[str] = set()
        for item in items:
            if item.session:
                sent = find(item.session, item.message_id.lower(), now)
                if sent is not None:
                    work.answers.append(sent)
                    work.waits = work.waits or sent.pending
                    continue
            log = work.logs[item.log]
            if item.expected is not None and (item.expected != log.tail or item.log in refused):
                refused.add(item.log)
                work.answers.append(Refused("conflict", f"the log is at {log.tail}"))
                # Whoever reads the log for it is to find what was there before it.
                work.waits = work.waits or log.tail != log.ring.head
                continue
            self._add(work, item, log, now)
        return work

    def _add(self, work: _Work, item: Append, log: HotLog, now: float) -> None:
        batch = work.batch
        touched = batch.logs.get(log.id)
        if touched is None:
            if not log.id:
                log.id = self._next_log
                self._next_log += 1
            touched = batch.logs[log.id] = Touched(log.id, log.name, log.ring.epoch, log.retention)
            touched.expected = item.expected
        offset = log.tail = log.last = log.last + 1
        # Records age in order, also where the clock is set back.
        at = log.touched = max(now, log.touched)
        at_ms = int(at * 1000)
        key = item.key if item.key and log.retention.conflate else None
        touched.add(offset, at_ms, len(item.record), key)
        batch.records += (log.id, offset, at_ms, key, item.record)
        sent = None
        if item.session:
            message_id = item.message_id.lower()
            sent = Sent(self._next_seen, log.ring.epoch, offset)
            self._next_seen += 1
            batch.seen += (sent.id, item.session, message_id, log.id, sent.epoch, offset, at_ms)
            for dropped in self._memory.seen.put(item.session, message_id, sent, now):
                batch.outdated.append(dropped.id)
        work.fresh.append(_Fresh(len(work.answers), item, log, offset, at, sent))
        work.answers.append(Appended(log.ring.epoch, offset))

    def _write(self, work: _Work) -> None:
        self._under_way += 1
        if work.fresh or work.waits:
            self._database.write(self._writer.write, work.batch, partial(self._written, work))
        else:
            self._written(work, None)

    def _written(self, work: _Work, outcome: TryLater | None) -> None:
        """The batch is on disk, or it is not and never will be."""
        if outcome is None:
            self._commit(work)
        else:
            self._refuse(work, Refused(outcome.code, outcome.reason))
        work.pin(-1)
        self._memory.hot.shrink()
        self._under_way -= 1
        self._pending -= work.size
        work.done([_told(answer) if isinstance(answer, Sent) else answer for answer in work.answers])
        self._tell_if_idle()

    def _commit(self, work: _Work) -> None:
        hot = self._memory.hot
        for _, item, log, offset, at, sent in work.fresh:
            hot.used += log.commit(offset, at, item.record)
            if sent is not None:
                sent.pending = False
        for touched in work.batch.logs.values():
            log = work.logs[touched.name]
            log.floor = max(log.floor, touched.floor)

    def _refuse(self, work: _Work, refused: Refused) -> None:
        for place, item, log, offset, _, sent in work.fresh:
            work.answers[place] = refused
            if log.tail == offset:
                # Nothing else is under way: the log ends with what is committed.
                log.tail = log.ring.head
            if sent is not None:
                sent.pending = False
                sent.failed = True
                self._memory.seen.discard(item.session, item.message_id.lower(), sent)

    def _tell_if_idle(self) -> None:
        if self.idle and self.on_idle is not None:
            told, self.on_idle = self.on_idle, None
            told()


def _told(sent: Sent) -> Appended | Refused:
    """The answer to a repeat: where the first one stands, if it does."""
    if sent.failed:
        return Refused("unavailable", "the same message was just refused")
    return Appended(sent.epoch, sent.offset, True)

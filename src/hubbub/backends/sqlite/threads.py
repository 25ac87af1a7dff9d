"""The threads that wait for the disk, so that the loop never does: one writes, a few read."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from hubbub.backends.sqlite.connection import Connection, explain
from hubbub.backends.sqlite.transactions import AnyJob, Transactions
from hubbub.errors import TryLater

log = logging.getLogger("hubbub.sqlite")

T = TypeVar("T")

SWEEP_INTERVAL = 1.0
"""Seconds between sweeps; there is no pause while there is more to do."""

_READERS = 2


class WriterThread:
    """Executes what is submitted, in order. What comes during one transaction goes into the next, together."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions
        self._condition = threading.Condition()
        self._jobs: list[AnyJob] = []
        self._last: Callable[[Connection], None] | None = None
        # If the process ends without closing, nothing is to hold it up.
        self._thread = threading.Thread(target=self._run, name="hubbub-sqlite-writer", daemon=True)
        self._thread.start()

    def submit(self, job: AnyJob) -> None:
        """To be executed soon."""
        with self._condition:
            self._jobs.append(job)
            self._condition.notify()

    def stop(self, last: Callable[[Connection], None]) -> None:
        """Executes what was submitted, and `last`, closes the connection, and waits for all that."""
        with self._condition:
            self._last = last
            self._condition.notify()
        self._thread.join()

    def _run(self) -> None:
        due = time.monotonic() + SWEEP_INTERVAL
        while True:
            jobs = self._take(due)
            if jobs:
                _answer(jobs, self._transactions.execute(jobs))
            if time.monotonic() >= due:
                more = self._transactions.sweep()
                due = time.monotonic() + (0 if more else SWEEP_INTERVAL)
            if not jobs and self._last is not None:
                self._transactions.close(self._last)
                return

    def _take(self, due: float) -> list[AnyJob]:
        with self._condition:
            if not self._jobs and self._last is None:
                self._condition.wait(max(0.0, due - time.monotonic()))
            jobs, self._jobs = self._jobs, []
        return jobs


class ReaderThreads:
    """Executes queries, each in one of a few threads with a read-only connection of its own."""

    def __init__(self, open_reader: Callable[[], Connection]) -> None:
        self._open = open_reader
        self._idle: SimpleQueue[Connection] = SimpleQueue()
        self._executor = ThreadPoolExecutor(_READERS, thread_name_prefix="hubbub-sqlite-reader")

    def submit(self, run: Callable[[Connection], T], loop: asyncio.AbstractEventLoop) -> asyncio.Future[T]:
        """A future of what `run` returns. It raises `TryLater` when the file cannot be read."""
        return loop.run_in_executor(self._executor, self._run, run)

    def stop(self) -> None:
        """Waits for the queries under way, and closes the connections."""
        self._executor.shutdown()
        while True:
            try:
                self._idle.get_nowait().close()
            except Empty:
                return

    def _run(self, run: Callable[[Connection], T]) -> T:
        try:
            try:
                connection = self._idle.get_nowait()
            except Empty:
                connection = self._open()
            try:
                return run(connection)
            finally:
                self._idle.put(connection)
        except TryLater:
            raise
        except Exception as error:
            log.error("the store on disk cannot be read", exc_info=error)
            raise explain(error) from error


def _answer(jobs: Sequence[AnyJob], results: Sequence[Any | TryLater]) -> None:
    for loop, answers in groupby(zip(jobs, results, strict=True), key=lambda answer: answer[0].loop):
        assert loop is not None
        try:
            loop.call_soon_threadsafe(_call, list(answers))
        except RuntimeError:
            log.debug("the loop that waited for the store on disk is closed")


def _call(answers: Sequence[tuple[AnyJob, Any]]) -> None:
    for job, result in answers:
        try:
            job.done(result)
        except Exception:
            log.exception("what followed from a transaction failed")

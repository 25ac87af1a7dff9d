"""Jobs that change the file, and their execution: what came together is one transaction."""

from __future__ import annotations

import logging
import sqlite3
from asyncio import AbstractEventLoop
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any, Generic, TypeVar

from hubbub.backends.sqlite.connection import Connection, explain, is_environment
from hubbub.errors import TryLater

log = logging.getLogger("hubbub.sqlite")

P = TypeVar("P")
R = TypeVar("R")


class Job(Generic[P, R]):
    """Something to be changed. `done` gets the result when it is committed, or why it is not.

    `run(connection, payloads)` gets the payloads of neighbouring jobs with the same `run` together, and returns
    a result for each.
    """

    __slots__ = ("done", "loop", "payload", "run")

    def __init__(
        self,
        run: Callable[[Connection, Sequence[P]], Sequence[R]],
        payload: P,
        done: Callable[[R | TryLater], None],
        loop: AbstractEventLoop | None = None,
    ) -> None:
        self.run = run
        self.payload = payload
        self.done = done
        self.loop = loop
        """Where `done` is called; None: where the job was executed."""


AnyJob = Job[Any, Any]


class Transactions:
    """Executes groups of jobs on one connection, in whatever thread. Nothing is raised.

    `reopen` makes a new connection after one that cannot be used any more. `forgotten` is called after each
    rollback: what is known of the file may be wrong.
    """

    def __init__(self, connection: Connection, reopen: Callable[[], Connection]) -> None:
        self._connection: Connection | None = connection
        self._reopen = reopen
        self._failing = False
        self.rolled_back: list[Callable[[], None]] = []
        self.sweeps: list[Callable[[Connection], bool]] = []

    def execute(self, jobs: Sequence[AnyJob]) -> list[Any]:
        """A result for each job, or a `TryLater`. A job that fails by itself does not take the others with it."""
        results, error = self._attempt(jobs)
        if error is None:
            return results
        if len(jobs) > 1 and not is_environment(error):
            return [result for job in jobs for result in self.execute([job])]
        return [explain(error)] * len(jobs)

    def read(self, run: Callable[[Connection], R]) -> R:
        """What `run(connection)` returns. Raises what it raises, and `sqlite3.Error` where there is no connection."""
        return run(self._connect())

    def sweep(self) -> bool:
        """Does a part of what is to be done now and then. Returns whether more is left."""
        more = False
        for sweep in self.sweeps:
            results, error = self._attempt([Job(_run_sweeps, sweep, _ignore)])
            more = more or (error is None and results[0])
        return more

    def close(self, last: Callable[[Connection], None]) -> None:
        """Closes the connection after a last act."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        try:
            last(connection)
        except Exception as error:
            log.warning("the store on disk was not closed in order: %s", error)
        _close(connection)

    def _attempt(self, jobs: Sequence[AnyJob]) -> tuple[list[Any], Exception | None]:
        results: list[Any] = []
        try:
            connection = self._connect()
            connection.execute("BEGIN IMMEDIATE")
            for run, group in groupby(jobs, key=_run_of):
                results.extend(run(connection, [job.payload for job in group]))
            connection.execute("COMMIT")
        except Exception as error:
            self._roll_back(error)
            return [], error
        if self._failing:
            self._failing = False
            log.warning("the store on disk can be written again")
        return results, None

    def _connect(self) -> Connection:
        if self._connection is None:
            self._connection = self._reopen()
        return self._connection

    def _roll_back(self, error: Exception) -> None:
        for forget in self.rolled_back:
            forget()
        # Once, and not for each of the many that fail for the same reason.
        if not is_environment(error):
            log.error("what was to be stored was not", exc_info=error)
        elif not self._failing:
            self._failing = True
            log.error("the store on disk cannot be written: %s", error)
        connection = self._connection
        if connection is None:
            return
        try:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            if getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL:
                # Brings home what it can, so that the write-ahead log can be used from its beginning.
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        except Exception:
            if connection.in_transaction:
                self._connection = None
                _close(connection)


def _run_of(job: AnyJob) -> Callable[[Connection, Sequence[Any]], Sequence[Any]]:
    return job.run


def _run_sweeps(connection: Connection, sweeps: Sequence[Callable[[Connection], bool]]) -> list[bool]:
    return [sweep(connection) for sweep in sweeps]


def _close(connection: Connection) -> None:
    try:
        connection.close()
    except Exception as error:
        log.warning("a connection to the store on disk was not closed: %s", error)


def _ignore(result: object) -> None:
    """Nobody waits for it."""

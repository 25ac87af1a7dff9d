"""One SQLite file, for everything that is kept in it."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

from hubbub.backends.sqlite.connection import Connect, Connection, connect, explain
from hubbub.backends.sqlite.opening import (
    Fsync,
    boot_id,
    claim,
    explain_opening,
    mark_closed,
    open_checked,
    open_connection,
)
from hubbub.backends.sqlite.slots import Now, Slot, fill, hand_over
from hubbub.backends.sqlite.threads import SWEEP_INTERVAL, ReaderThreads, WriterThread
from hubbub.backends.sqlite.transactions import Job, Transactions
from hubbub.errors import TryLater

P = TypeVar("P")
R = TypeVar("R")
T = TypeVar("T")


class Database:
    """Opens the file and runs what is to be written and read, so that the loop never waits for the disk.

    `fsync` says what a commit waits for: with `full` it is on disk; with `normal` and `off` the last ones may be
    lost when the machine (not only the process) crashes. With `inline` there are no threads: everything is done
    at once and blocks, for simulations and scripts. `wall` gives the seconds since 1970, `boot` a text that is
    another one after the machine was started anew, `connect` opens connections. Raises `ConfigurationError` for a
    file that cannot be used.

    The parts that use it `join`; when each of them has left, the file is closed.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        fsync: Fsync = "full",
        inline: bool = False,
        wall: Callable[[], float] = time.time,
        boot: Callable[[], str] = boot_id,
        connect: Connect = connect,
    ) -> None:
        self.path = Path(path)
        self.wall = wall
        self._connect = connect
        self._users = 0
        self._lock = claim(self.path)
        try:
            connection = open_checked(self.path, connect, fsync, boot(), wall())
        except BaseException:
            self._lock.release()
            raise
        self._transactions = Transactions(connection, partial(open_connection, self.path, connect, fsync))
        self._threads = None if inline else (WriterThread(self._transactions), ReaderThreads(self._open_reader))
        self._swept = wall()
        self._closed = False

    # --- What is written and read -----------------------------------------------------------------------

    def write(
        self,
        run: Callable[[Connection, Sequence[P]], Sequence[R]],
        payload: P,
        done: Callable[[R | TryLater], None],
    ) -> None:
        """Executes `run(connection, payloads)` in a transaction; neighbours with the same `run` go together.

        `done` gets the result for this payload when it is committed, or why it is not.
        """
        if self._closed:
            done(TryLater("unavailable", "the store on disk is closed"))
            return
        if self._threads is not None:
            self._threads[0].submit(Job(run, payload, done, asyncio.get_running_loop()))
            return
        done(self._transactions.execute([Job(run, payload, done)])[0])
        # A clock may be set back.
        if abs(self.wall() - self._swept) >= SWEEP_INTERVAL:
            self._swept = self.wall()
            self._transactions.sweep()

    def read(self, run: Callable[[Connection], T], done: Callable[[T | TryLater], None]) -> None:
        """Executes `run(connection)`, and gives `done` what it returned, or why the file cannot be read."""
        if self._closed:
            done(TryLater("unavailable", "the store on disk is closed"))
            return
        if self._threads is None:
            done(self._read_now(run))
            return
        future: asyncio.Future[T] = self._threads[1].submit(run, asyncio.get_running_loop())

        def answered(future: asyncio.Future[T]) -> None:
            error = future.exception()
            assert error is None or isinstance(error, TryLater)
            done(error or future.result())

        future.add_done_callback(answered)

    def slot(self) -> Slot[T]:
        """A place for a result, to be handed over to a caller."""
        return Now() if self._threads is None else asyncio.get_running_loop().create_future()

    def ask(self, run: Callable[[Connection], T]) -> T | Awaitable[T]:
        """What `run(connection)` returns, at once or later. Raises `TryLater` when the file cannot be read."""
        slot: Slot[T] = self.slot()
        self.read(run, partial(fill, slot))
        return hand_over(slot)

    def change(self, run: Callable[[Connection], T]) -> T | Awaitable[T]:
        """What `run(connection)` returns, when it is committed. Raises `TryLater` when it is not."""
        slot: Slot[T] = self.slot()
        self.write(_run_each, run, partial(fill, slot))
        return hand_over(slot)

    # --- Its life ---------------------------------------------------------------------------------------

    def join(
        self,
        *,
        sweep: Callable[[Connection], bool] | None = None,
        rolled_back: Callable[[], None] | None = None,
    ) -> None:
        """One more part uses the file.

        `sweep(connection)` is called about once a second to do a part of what is to be done now and then, in a
        transaction, and says whether more is left; `rolled_back()` after each transaction that failed. Both are
        called where writing is done.
        """
        self._users += 1
        if sweep is not None:
            self._transactions.sweeps.append(sweep)
        if rolled_back is not None:
            self._transactions.rolled_back.append(rolled_back)

    def look(self, run: Callable[[Connection], T]) -> T:
        """What `run(connection)` returns, at once: for the start. Raises `ConfigurationError`."""
        try:
            return self._transactions.read(run)
        except sqlite3.Error as error:
            raise explain_opening(self.path, error) from error

    def leave(self) -> Awaitable[None] | None:
        """A part does not use it any more. With the last one everything is committed and the file closed."""
        self._users -= 1
        if self._users:
            return None
        self._closed = True
        if self._threads is not None:
            return self._stop(*self._threads)
        self._transactions.close(mark_closed)
        self._lock.release()
        return None

    def abandon(self) -> None:
        """Closes the file at once, when the start failed."""
        self._closed = True
        if self._threads is not None:
            self._threads[1].stop()
            self._threads[0].stop(mark_closed)
        else:
            self._transactions.close(mark_closed)
        self._lock.release()

    def sweep(self) -> Awaitable[None] | None:
        """Does now what is otherwise done about once a second; see `join`."""
        return self.change(self._sweep_all)

    def _sweep_all(self, connection: Connection) -> None:
        for sweep in self._transactions.sweeps:
            while sweep(connection):
                pass

    async def _stop(self, writer: WriterThread, readers: ReaderThreads) -> None:
        # Readers first: what they look at could not be brought home from the write-ahead log.
        await asyncio.to_thread(readers.stop)
        await asyncio.to_thread(writer.stop, mark_closed)
        self._lock.release()

    def _read_now(self, run: Callable[[Connection], T]) -> T | TryLater:
        try:
            return self._transactions.read(run)
        except Exception as error:
            return explain(error)

    def _open_reader(self) -> Connection:
        return self._connect(self.path, True)


def _run_each(connection: Connection, payloads: Sequence[Callable[[Connection], T]]) -> list[T]:
    return [run(connection) for run in payloads]

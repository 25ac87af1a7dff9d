"""What the contracts of a `Log` share: a log that is opened and closed, and what is done with it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from unittest import SkipTest

from hubbub.delivery.retention import Retention, RetentionPolicy
from hubbub.ports import Append, Appended, Log, Page, Refused
from hubbub.ports.answers import answer
from hubbub.testing.clock import VirtualClock


class LogSuite:
    """Has no tests of its own."""

    @abstractmethod
    def make_log(self) -> Log | Awaitable[Log]:
        """A new log without records. It is closed by the suite."""

    def make_log_that_keeps(self, policy: RetentionPolicy, clock: Callable[[], float]) -> Log | Awaitable[Log]:
        """The same, with this retention, for which records age by `clock`, in seconds.

        A log that cannot be told leaves this out; its retention is then not tested.
        """
        raise SkipTest("this log cannot be told what to keep")

    # --- What the tests do ------------------------------------------------------------------------------

    @asynccontextmanager
    async def opened(
        self, retention: Retention | None = None, clock: Callable[[], float] | None = None
    ) -> AsyncIterator[Log]:
        """A new log, closed at the end."""
        if retention is None:
            log = await answer(self.make_log())
        else:
            log = await answer(self.make_log_that_keeps(RetentionPolicy(retention), clock or VirtualClock()))
        try:
            yield log
        finally:
            await answer(log.close())

    async def append(self, log: Log, *items: Append) -> list[Appended]:
        results: list[Appended] = []
        for result in await answer(log.append(items)):
            assert not isinstance(result, Refused), result
            results.append(result)
        return results

    async def read(
        self, log: Log, name: str, *, after: int = 0, before: int | None = None, limit: int = 1000, newest: bool = False
    ) -> Page:
        return await answer(log.read(name, after=after, before=before, limit=limit, newest=newest))

    async def pages(self, log: Log, name: str, limit: int, *, newest: bool = False) -> list[tuple[int, bytes]]:
        """The whole log, read page by page from one end to the other."""
        found: list[tuple[int, bytes]] = []
        while True:
            if newest:
                before = found[0][0] if found else None
                page = await self.read(log, name, before=before, limit=limit, newest=True)
                found[:0] = page.entries
            else:
                page = await self.read(log, name, after=found[-1][0] if found else 0, limit=limit)
                found += page.entries
            if page.complete:
                return found
            assert len(page.entries) == limit

    async def check_kept(self, log: Log, appended: Sequence[Appended], least: int, most: int) -> None:
        """The newest of what was appended are kept, at least and at most so many, and `oldest` says which."""
        page = await self.read(log, "a")
        offsets = [result.offset for result in appended]
        kept = [offset for offset, _ in page.entries]
        assert kept == offsets[len(offsets) - len(kept) :]
        assert least <= len(kept) <= most
        missed = [offset for offset in offsets if offset not in kept]
        for after in (0, *offsets):
            assert (after < page.oldest - 1) is any(offset > after for offset in missed)


def records_of(page: Page) -> list[bytes]:
    return [record for _, record in page.entries]


def code_of(result: Appended | Refused) -> str:
    assert isinstance(result, Refused), result
    return result.code

"""An asyncio loop on virtual time: nothing ever sleeps, and the same program runs the same way every time."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import heapq
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

_Given = ParamSpec("_Given")
_Result = TypeVar("_Result")

_HAIR = 1e-6

_MOST_TURNS = 30_000
"""Turns without any time passing, after which a program is taken to be going round and round."""


class Stuck(RuntimeError):
    """Nothing can happen any more, or time has passed the loop's horizon. The message names who waits where."""


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop whose time jumps to the next timer when nothing is ready.

    All of asyncio works on it (`sleep`, `timeout`, `call_later`, cancellation, tasks, queues), and `loop.time()`
    is the virtual time in seconds; it begins at `start`. While `run_in_executor` is at work time stands still
    and the loop really waits for it, so that a thread costs no virtual time. Work that other threads hand in by
    `call_soon_threadsafe` is taken as soon as it comes, but not waited for. Real sockets are seen too, but no
    time is given to them: use an in-memory network.

    Raises `Stuck` where an ordinary loop would hang for ever, and when more than `horizon` virtual seconds have
    passed, since a program that polls or reconnects would never end by itself.

        asyncio.Runner(loop_factory=VirtualLoop).run(main())
    """

    def __init__(self, *, start: float = 1000.0, horizon: float = 1_000_000.0) -> None:
        self._now = start
        self._end = start + horizon
        self._threads = 0
        self._timers = 0
        self._turns = 0
        self._pending: set[asyncio.Task[Any]] = set()
        super().__init__(_Jumping(self))

    def time(self) -> float:
        """The virtual time, in seconds."""
        return self._now

    def create_task(self, coro: Any, **options: Any) -> asyncio.Task[Any]:
        """As in asyncio; a task that nobody holds is not collected before it is done, or the loop ends.

        Those of a process that died in a simulation would be, whenever that came to pass: their clean-up would run
        at a moment that no seed decides.
        """
        task = super().create_task(coro, **options)
        self._pending.add(task)
        task.add_done_callback(self._pending.discard)
        return task

    async def shutdown_default_executor(self, *args: Any) -> None:
        """As in asyncio; time stands still while the threads end."""
        self._threads += 1
        try:
            await super().shutdown_default_executor(*args)
        finally:
            self._threads -= 1

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:  # type: ignore[override]
        """As in asyncio; time stands still until the function has returned, or its future was cancelled."""
        future = super().run_in_executor(executor, func, *args)
        self._threads += 1
        future.add_done_callback(self._returned)
        return future

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., object], *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.TimerHandle:
        """As in asyncio; timers of one time go off in the order in which they were set."""
        self._check_closed()  # type: ignore[attr-defined]
        self._timers += 1
        timer = _Timer(when, callback, args, self, context)
        timer.number = self._timers
        heapq.heappush(self._scheduled, timer)  # type: ignore[attr-defined]
        timer._scheduled = True  # type: ignore[attr-defined]
        return timer

    def _returned(self, future: asyncio.Future[Any]) -> None:
        self._threads -= 1

    def _wait(self, timeout: float | None, poll: Callable[[float | None], list[Any]]) -> list[Any]:
        """What the selector does when the loop has nothing ready: looks, and if there is nothing, jumps."""
        found = poll(0)
        if found or timeout == 0:
            self._turns += 1
            if self._turns > _MOST_TURNS:
                raise Stuck(f"it goes round and round at {self._now:g} s: {self._waiting()}")
            return found
        self._turns = 0
        if self._threads > 0:
            return poll(None)
        if timeout is None:
            raise Stuck(f"nothing is ready and no timer is set at {self._now:g} s: {self._waiting()}")
        # Exactly to the timer: a sum of floats could miss it by a hair, and a program that compares would spin.
        when: float = self._scheduled[0].when()  # type: ignore[attr-defined]
        self._now = when if when - self._now <= timeout + _HAIR else self._now + timeout
        if self._now > self._end:
            raise Stuck(f"the horizon was reached at {self._now:g} s: {self._waiting()}")
        return found

    def _waiting(self) -> str:
        tasks = sorted(asyncio.all_tasks(self), key=lambda task: task.get_name())
        return "; ".join(map(_describe, tasks)) or "no task is left"


class _Timer(asyncio.TimerHandle):
    """On a real clock two timers are never set for the same moment; here it is the rule, and the first comes first."""

    __slots__ = ("number",)
    number: int
    _when: float

    def __lt__(self, other: _Timer) -> bool:  # type: ignore[override]
        # The loop compares timers all the time: without a call, and without making anything.
        return self._when < other._when or (self._when == other._when and self.number < other.number)


class _Jumping(selectors.DefaultSelector):
    """Never sleeps: it asks the loop what to do instead."""

    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        return self._loop._wait(timeout, super().select)


def virtual(
    function: Callable[_Given, Coroutine[Any, Any, _Result]],
) -> Callable[_Given, _Result]:
    """Makes of a coroutine function an ordinary one that runs on a `VirtualLoop` of its own: for tests.

    @virtual
    async def test_an_hour_is_over_at_once() -> None:
        await asyncio.sleep(3600)
    """

    @functools.wraps(function)
    def run(*args: _Given.args, **kwargs: _Given.kwargs) -> _Result:
        with asyncio.Runner(loop_factory=VirtualLoop) as runner:
            return runner.run(function(*args, **kwargs))

    return run


def _describe(task: asyncio.Task[Any]) -> str:
    stack = task.get_stack(limit=1)
    name = getattr(task.get_coro(), "__qualname__", task.get_name())
    if not stack:
        return f"{name} waits"
    return f"{name} waits at {stack[0].f_code.co_filename}:{stack[0].f_lineno}"

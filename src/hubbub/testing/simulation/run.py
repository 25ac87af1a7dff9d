"""One simulation: a plan is played, then faults end, everything gets time to arrive, and the checker looks."""

from __future__ import annotations

import asyncio
import gc
import hashlib
import logging
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from msgspec import Struct

from hubbub.client.options import Dial
from hubbub.errors import ConfigurationError, MessagesMissed
from hubbub.testing.loop import Stuck, VirtualLoop
from hubbub.testing.network import Link, Network
from hubbub.testing.simulation.bounds import check_client, check_hub
from hubbub.testing.simulation.checker import Acknowledged, Heard, check, is_complete, still_kept
from hubbub.testing.simulation.people import Program, become, finish
from hubbub.testing.simulation.plan import Happening, Plan, make_plan
from hubbub.testing.simulation.presence import PresenceWatch
from hubbub.testing.simulation.server import SimulatedServer
from hubbub.testing.simulation.witness import Truth

SETTLING = 300.0
"""Seconds that everything has to arrive after the last fault: retransmissions and timeouts included."""

_LOOK = 2.0
"""Seconds between two looks at what waits anywhere."""

_TAIL = 60
"""Lines of the story that a result keeps."""


class Result(Struct, frozen=True):
    """What came of a seed. `digest` is the same for the same story; `virtual` and `real` are seconds."""

    seed: int
    violations: list[str]
    digest: str
    tail: list[str]
    virtual: float
    real: float
    deliveries: int


class Clients(Protocol):
    """What stands between clients and servers."""

    @property
    def dial(self) -> Dial: ...

    def alive(self) -> list[Link]: ...


class Server(Protocol):
    """What can be started and stopped, as often as one likes."""

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    def discard(self) -> None: ...


class Run:
    """What everyone in one simulation shares."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.loop = asyncio.get_running_loop()
        self.truth = Truth()
        self.heard: list[Heard] = []
        self.acknowledged: list[Acknowledged] = []
        self.is_settling = False
        self.story: list[str] = []
        self.presence = PresenceWatch(self.loop.time, plan.settings.presence_grace)
        self._found: dict[str, None] = {}
        """What was seen to be wrong on the way."""
        self._began = self.loop.time()
        self._shift = 0
        self._rng = random.Random(f"faults/{plan.seed}")
        self.network, self.server = self.make_server()

    def make_server(self) -> tuple[Clients, Server]:
        """What clients go through, and what they reach."""
        plan = self.plan
        network = Network(plan.seed, delay=plan.delay, window=plan.window, partly=plan.partly)
        server = SimulatedServer(network, plan.settings, plan.storage, self.truth, self.wall, plan.seed)
        server.started = lambda app: self.presence.watch(app.hub)
        return network, server

    def wall(self) -> int:
        """Milliseconds since 1970, on a clock that jumps."""
        return 1_700_000_000_000 + int(self.loop.time() * 1000) + self._shift

    def note(self, line: str) -> None:
        self.story.append(f"{self.loop.time() - self._began:10.4f} {line}")

    def blame(self, violation: str) -> None:
        """Something is wrong already."""
        self.note(f"!!! {violation}")
        self._found[violation] = None

    def missed(self, heard: Heard, missed: MessagesMissed) -> None:
        """A subscription is told that messages will not come: they must be gone."""
        page = self.server.look(heard.channel.log) if isinstance(self.server, SimulatedServer) else None
        if page is not None:
            for record in still_kept(self.truth, heard, missed, page):
                self.blame(f"{heard.who} was told that {record.offset} of {record.log} is missing, which is kept")
        heard.events.append(missed)

    def begun(self, heard: Heard) -> None:
        self.note(f"{heard.who} reads {heard.channel.text} from record {heard.start} on")
        self.heard.append(heard)

    def ended(self, heard: Heard) -> None:
        """A subscription that was ended with an error is held to nothing after it."""
        self.heard.remove(heard)

    async def play(self) -> list[str]:
        """The whole plan. Returns the violations."""
        await self.server.start()
        programs = [Program(self, person) for person in self.plan.people]
        for program in programs:
            await program.start()
        looking = self.loop.create_task(self._look(programs))
        await self.happen()
        self.note("faults end")
        self.is_settling = True
        found = await self._settle(programs)
        looking.cancel()
        found += [*self._found, *self.presence.violations]
        for program in programs:
            await program.stop()
        await self.server.stop()
        return found

    async def happen(self) -> None:
        """All faults of the plan."""
        for happening in self.plan.happenings:
            await self.wait_until(happening.at)
            await self._happen(happening)
        await self.wait_until(self.plan.duration)

    async def wait_until(self, at: float) -> None:
        """Until so many seconds after the beginning."""
        await asyncio.sleep(max(0.0, self._began + at - self.loop.time()))

    async def _settle(self, programs: list[Program]) -> list[str]:
        found = []
        if not await finish([program.publisher for program in programs], SETTLING):
            found.append("a publish never ended")
        await become(lambda: all(is_complete(self.truth, heard) for heard in self.heard), SETTLING)
        for program in programs:
            for reader in program.readers:
                if reader.done() and not reader.cancelled() and reader.exception() is not None:
                    found.append(f"a reader failed: {reader.exception()!r}")
        return found + self.violations()

    def violations(self) -> list[str]:
        """What breaks the guarantee, by everything that was heard and told."""
        return check(self.truth, self.heard, self.acknowledged)

    async def _look(self, programs: list[Program]) -> None:
        """Now and then: whatever waits is bounded."""
        while True:
            await asyncio.sleep(_LOOK)
            if isinstance(self.server, SimulatedServer) and self.server.app is not None:
                for violation in check_hub(self.server.app, self.plan.window, self.plan.most_at_once):
                    self.blame(violation)
            for program in programs:
                for violation in check_client(program.client, program.subscriptions):
                    self.blame(violation)

    async def _happen(self, happening: Happening) -> None:
        self.note(f"--- {happening.fault} {happening.size:.2f}")
        size = happening.size
        server, network = self.server, self.network
        assert isinstance(server, SimulatedServer)
        assert isinstance(network, Network)
        if happening.fault == "restart":
            await server.stop()
            await self._come_back(size)
        elif happening.fault == "crash":
            server.crash(silently=size < 0.3)
            await self._come_back(size)
        elif happening.fault == "refuse":
            network.refuse(1 + 20 * size)
        elif happening.fault == "freeze" and size >= 0.5:
            # What a client says first arrives when it has given that attempt up.
            self.disturb("cut", size, network.alive())
            network.freeze_next(10 + 20 * (size - 0.5))
        else:
            self.disturb(happening.fault, size, network.alive())

    def disturb(self, fault: str, size: float, links: list[Link]) -> None:
        """What can become of the clock, or of one of these connections."""
        if fault == "clock":
            self._shift += int((size - 0.5) * 4_000_000)
        elif links:
            link = self._rng.choice(links)
            if fault == "cut":
                link.cut()
            elif fault == "stall":
                link.stall(1 + 30 * size)
            elif fault == "freeze":
                link.freeze(1 + 60 * size)
            elif fault == "slow":
                link.slow_down(0.05 + 1.5 * size)
            else:
                link.swallow(up=fault != "swallow_down", down=fault != "swallow_up")

    async def _come_back(self, size: float) -> None:
        await asyncio.sleep(0.1 + 10 * size)
        try:
            await self.server.start()
        except ConfigurationError as error:
            self.blame(f"the server does not start any more: {error}")
        self.note("the server is back")


def simulate(seed: int) -> Result:
    """Plays the plan of a seed. What it finds is the same every time."""
    return play(seed, lambda: Run(make_plan(seed)))


def play(seed: int, make_run: Callable[[], Run]) -> Result:
    """Plays what `make_run` makes, on a loop of its own."""
    with _quiet():
        return _play(seed, make_run)


@contextmanager
def _quiet() -> Iterator[None]:
    """What fails on purpose is not logged."""
    logger = logging.getLogger("hubbub")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)


def _play(seed: int, make_run: Callable[[], Run]) -> Result:
    began = time.perf_counter()
    violations: list[str]
    with asyncio.Runner(loop_factory=lambda: VirtualLoop(horizon=100_000)) as runner:
        run: Run | None = None

        async def play() -> list[str]:
            nonlocal run
            run = make_run()
            return await run.play()

        try:
            violations = runner.run(play())
        except Stuck as stuck:
            violations = [f"it got stuck: {stuck}"]
        assert run is not None
        virtual = runner.get_loop().time() - 1000.0
    run.server.discard()
    story = run.story
    digest = hashlib.sha256("\n".join(story).encode()).hexdigest()[:16]
    deliveries = sum(len(heard.events) for heard in run.heard)
    real = time.perf_counter() - began
    return Result(seed, violations, digest, story[-_TAIL:] if violations else [], virtual, real, deliveries)


def tune() -> None:
    """For many seeds in one process: most of what a run makes is gone with it."""
    gc.set_threshold(50_000, 20, 50)

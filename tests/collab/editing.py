"""People who edit one document while everything fails, as a state machine of hypothesis on virtual time."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Coroutine
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from hubbub.collab.document import Document
from hubbub.testing.loop import VirtualLoop
from hubbub.testing.simulation.ledger import Ledger, judge_log
from tests.collab.world import DocumentWorld, until

NAMES = ("ann", "bob", "cid")

who = st.sampled_from(NAMES)
places = st.floats(0, 1)
seconds = st.sampled_from([0.001, 0.01, 0.02, 0.05, 0.3, 2.0, 12.0])


class Editing(RuleBasedStateMachine):
    """The rules are what people do and what happens to them; `teardown` heals everything and judges."""

    @initialize(seed=st.integers(0, 1000), every=st.sampled_from([2, 5, 1000]))
    def begin(self, seed: int, every: int) -> None:
        self.loop = VirtualLoop()
        self.rng = random.Random(seed)
        self.ledger = Ledger()
        self.run(self._begin(seed, every))

    async def _begin(self, seed: int, every: int) -> None:
        self.world = DocumentWorld(seed, snapshot_operations=every, snapshot_seconds=3.0, idle_seconds=5.0)
        await self.world.begin()
        self.documents = {name: await self.world.open(name) for name in NAMES}

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(work)

    # --- What people do --------------------------------------------------------------------------------

    @rule(name=who, place=places, count=st.integers(1, 3))
    def insert(self, name: str, place: float, count: int) -> None:
        async def work() -> None:
            for _ in range(count):
                self.ledger.insert(self.documents[name], place)

        self.run(work())

    @rule(name=who, place=places, count=st.integers(1, 4))
    def delete(self, name: str, place: float, count: int) -> None:
        async def work() -> None:
            self.ledger.delete(self.documents[name], place, count)

        self.run(work())

    @rule(name=who, again=st.booleans())
    def undo(self, name: str, again: bool) -> None:
        async def work() -> None:
            self.ledger.undo(self.documents[name], again=again)

        self.run(work())

    @rule(time=seconds)
    def wait(self, time: float) -> None:
        self.run(asyncio.sleep(time))

    # --- What happens to them --------------------------------------------------------------------------

    @rule(name=who)
    def cut(self, name: str) -> None:
        self.run(self._fault(lambda: self.world.cut(name)))

    @rule(name=who, up=st.booleans(), down=st.booleans())
    def half_open(self, name: str, up: bool, down: bool) -> None:
        self.run(self._fault(lambda: self.world.swallow(name, up=up, down=down)))

    @rule(name=who, time=seconds)
    def freeze(self, name: str, time: float) -> None:
        """What was sent before comes late, maybe when its sender has another connection."""

        def work() -> None:
            for link in self.world._alive(name):
                link.freeze(time)

        self.run(self._fault(work))

    @rule(name=who, time=seconds)
    def stall(self, name: str, time: float) -> None:
        self.run(self._fault(lambda: self.world.stall(name, time)))

    @rule(name=who, delay=st.sampled_from([0.001, 0.1, 1.0]))
    def slow_down(self, name: str, delay: float) -> None:
        self.run(self._fault(lambda: self.world.slow_down(name, delay)))

    @rule(name=who)
    def duplicate(self, name: str) -> None:
        """An operation is sent twice."""

        def work() -> None:
            document = self.documents[name]
            document.insert(0, self.ledger.character())
            document._send_flight()

        self.run(self._fault(work))

    @rule(time=seconds)
    def refuse(self, time: float) -> None:
        self.run(self._fault(lambda: self.world.refuse(time)))

    @rule(downtime=seconds)
    def crash(self, downtime: float) -> None:
        self.run(self.world.fail(downtime=downtime))

    @rule(time=seconds)
    def disk_fails(self, time: float) -> None:
        async def work() -> None:
            disk = self.world.disk
            disk.refuses = True
            await asyncio.sleep(time)
            disk.refuses = False

        self.run(work())

    # --- The judgement ---------------------------------------------------------------------------------

    def teardown(self) -> None:
        if not hasattr(self, "loop"):
            return
        try:
            self.run(self._judge())
        finally:
            for task in asyncio.all_tasks(self.loop):
                task.cancel()
            self.run(asyncio.sleep(0))
            self.loop.close()

    async def _judge(self) -> None:
        documents = list(self.documents.values())
        await until(lambda: all(self._is_at_rest(one, documents[0]) for one in documents), 1000)
        text = documents[0].text
        assert await self.world.documents.text("d") == text
        page = self.world._stores[0].read("doc:d", limit=100_000)
        assert [*self.ledger.judge(text), *judge_log(page)] == []

    def _is_at_rest(self, one: Document, other: Document) -> bool:
        return one.status.phase == "saved" and (one.revision, one.text) == (other.revision, other.text)

    async def _fault(self, what: Any) -> None:
        what()

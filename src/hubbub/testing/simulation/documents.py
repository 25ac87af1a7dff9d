"""The simulation of one document that several programs edit, while network, server and power fail."""

from __future__ import annotations

import asyncio
import random

from msgspec import Struct, structs

from hubbub.app.application import Hubbub
from hubbub.client.client import Client
from hubbub.client.connecting import connect
from hubbub.collab.document import Document
from hubbub.collab.documents import Documents
from hubbub.collab.events import Rejected
from hubbub.errors import ConnectionClosed
from hubbub.testing.simulation.ledger import Ledger, judge_log
from hubbub.testing.simulation.people import become, finish
from hubbub.testing.simulation.plan import Person, Plan, make_plan
from hubbub.testing.simulation.run import SETTLING, Clients, Result, Run, Server, play
from hubbub.testing.simulation.server import SimulatedServer

_DOCUMENT = "d"
_AMPLE = 256 * 1024 * 1024
_PASTE = 300
"""Characters that come at once, now and then."""


class DocumentPlan(Struct, frozen=True):
    """What a seed decides beside people and faults: when snapshots are taken, and the document leaves the memory."""

    base: Plan
    snapshot_operations: int
    snapshot_seconds: float
    idle_seconds: float


def make_document_plan(seed: int) -> DocumentPlan:
    """The same for the same seed, always. What is acknowledged outlives every crash."""
    base = make_plan(seed)
    rng = random.Random(f"document/{seed}")
    storage = rng.choice(("kept", "slow", "sqlite", "power", "power"))
    memory = base.settings.memory_limit if storage in ("sqlite", "power") else _AMPLE
    settings = structs.replace(base.settings, memory_limit=memory)
    return DocumentPlan(
        structs.replace(base, storage=storage, settings=settings),
        snapshot_operations=rng.choice((2, 5, 1000)),
        snapshot_seconds=rng.choice((3.0, 60.0)),
        idle_seconds=rng.choice((1.0, 5.0, 60.0)),
    )


def simulate_document(seed: int) -> Result:
    """Plays the plan of a seed. What it finds is the same every time."""
    return play(seed, lambda: DocumentRun(make_document_plan(seed)))


class Editor:
    """One person's program: it opens the document when it can, and edits it."""

    def __init__(self, run: DocumentRun, person: Person) -> None:
        self._run = run
        self._person = person
        self._rng = random.Random(f"editor/{run.plan.seed}/{person.name}")
        self.client: Client
        self.document: Document
        self.typing: asyncio.Task[None]

    async def start(self) -> None:
        """The client connects in the background: the server may not be there yet."""
        name, seed = self._person.name, self._run.plan.seed
        self.client = await connect(
            "ws://simulated/ws",
            background=True,
            user=name,
            codec=self._person.codec,
            dial=self._run.network.dial,
            rng=random.Random(f"client/{seed}/{name}"),
            wall=self._run.wall,
        )
        self._listening = self.client.on("close", self._closed)
        # Who comes first among equals is decided by the author's id.
        self.document = Document(self.client, _DOCUMENT, name=name, author=f"{self._rng.getrandbits(64):016x}")
        self.document.on("merged", self._merged)
        self.document.on("rejected", self._rejected)
        self.document.on("change", self._changed)
        self.typing = asyncio.get_running_loop().create_task(self._type())

    async def stop(self) -> None:
        self._listening()
        self.typing.cancel()
        await asyncio.gather(self.typing, return_exceptions=True)
        await self.document.close()
        await self.client.close()

    async def _type(self) -> None:
        person, rng = self._person, self._rng
        await self.document.opened()
        left = person.messages
        while left:
            await asyncio.sleep(person.pause * 2 * rng.random())
            for _ in range(min(left, person.burst)):
                left -= 1
                self._edit()

    def _edit(self) -> None:
        ledger, document, rng = self._run.ledger, self.document, self._rng
        place, what = rng.random(), rng.random()
        if what < 0.6:
            count = _PASTE if what < 0.02 else rng.randint(1, 3)
            text = ledger.insert(document, place, count)
            self._note(f"inserts {text[:10]}")
        elif what < 0.85:
            self._note(f"deletes {ledger.delete(document, place, rng.randint(1, 4))}")
        elif what < 0.95:
            ledger.undo(document, again=what > 0.92)
            self._note("undoes or does again")
        else:
            document.point(round(place * len(document.text)))

    def _closed(self, reason: ConnectionClosed) -> None:
        self._run.blame(f"the client of {self._person.name} gave up for good: {reason}")

    def _merged(self, text: str) -> None:
        self._run.blame(f"{self._person.name} had to merge into a document that was never lost")

    def _rejected(self, rejected: Rejected) -> None:
        self._run.blame(f"the edits of {self._person.name} are refused for good: {rejected.error}")

    def _changed(self, change: object) -> None:
        self._note(f"sees {len(self.document.text)} characters at {self.document.revision}")

    def _note(self, line: str) -> None:
        self._run.note(f"{self._person.name} {line}")


class DocumentRun(Run):
    """A plan for editors, played."""

    def __init__(self, plan: DocumentPlan) -> None:
        self._document_plan = plan
        self.ledger = Ledger()
        self._documents: Documents
        super().__init__(plan.base)

    def make_server(self) -> tuple[Clients, Server]:
        network, server = super().make_server()
        assert isinstance(server, SimulatedServer)
        server.started = self._serve
        return network, server

    def _serve(self, app: Hubbub) -> None:
        plan = self._document_plan
        self._documents = Documents(
            app,
            snapshot_operations=plan.snapshot_operations,
            snapshot_seconds=plan.snapshot_seconds,
            idle_seconds=plan.idle_seconds,
        )

    async def play(self) -> list[str]:
        """The whole plan. Returns the violations."""
        await self.server.start()
        editors = [Editor(self, person) for person in self.plan.people]
        for editor in editors:
            await editor.start()
        await self.happen()
        self.note("faults end")
        found = await self._judge(editors)
        for editor in editors:
            await editor.stop()
        await self.server.stop()
        return found + list(self._found)

    async def _judge(self, editors: list[Editor]) -> list[str]:
        if not await finish([editor.typing for editor in editors], SETTLING):
            return ["the document never opened for somebody"]
        documents = [editor.document for editor in editors]
        if not await become(lambda: all(_agree(one, documents[0]) for one in documents), SETTLING):
            return ["not everybody came to have the same text, saved", *map(_state, editors)]
        text = documents[0].text
        found = list(self.ledger.judge(text))
        if await self._documents.text(_DOCUMENT) != text:
            found.append("the server's text is another one than everybody's")
        assert isinstance(self.server, SimulatedServer)
        page = self.server.look(f"doc:{_DOCUMENT}")
        return found + (["the log cannot be read"] if page is None else list(judge_log(page)))


def _agree(one: Document, other: Document) -> bool:
    return one.status.phase == "saved" and (one.revision, one.text) == (other.revision, other.text)


def _state(editor: Editor) -> str:
    document = editor.document
    return f"{document.status} at {document.revision}: {document.text[:200]}"

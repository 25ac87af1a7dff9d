"""Several nodes that serve one document, and those who edit it, on virtual time."""

from __future__ import annotations

from collections import Counter
from typing import Any

from hubbub import Hubbub
from hubbub.collab import Document, Documents
from hubbub.collab.authors import OWNER
from hubbub.collab.live import LiveDocument
from hubbub.collab.records import Record, decode_record
from hubbub.testing.cluster import Cluster
from tests.collab.world import EVERYTHING, until


class Scene:
    """A cluster whose nodes serve documents."""

    def __init__(self, seed: int = 0) -> None:
        self.cluster = Cluster(seed, retention=EVERYTHING)
        self.documents: dict[str, Documents] = {}

    async def start(self, *names: str, **options: Any) -> Scene:
        def make(**given: Any) -> Hubbub:
            app = Hubbub(anonymous=True, **given)
            self.documents[given["node"]] = Documents(app, **options)
            return app

        await self.cluster.start(*names, make_app=make)
        return self

    async def open(self, user: str, *nodes: str) -> Document:
        document = Document(await self.cluster.connect(user, *nodes, initial_delay=0.1, max_delay=0.5), "d")
        await document.opened()
        return document

    def live(self, node: str) -> LiveDocument:
        document = self.documents[node]._authority.find("d")
        assert document is not None
        return document

    def owner(self) -> str:
        """The node that the log names last."""
        runs = {app.hub.run: name for name in self.cluster.nodes if (app := self.cluster.nodes[name].app)}
        claims = [record.user for record in self.records() if record.client_id == OWNER]
        return runs.get(claims[-1], claims[-1]) if claims else ""

    def records(self) -> list[Record]:
        page = self.cluster.backend.records.read("doc:d", limit=1_000_000)
        return [decode_record(data) for _, data in page.entries]

    def judge(self, *documents: Document) -> None:
        """All have the same text, and every operation is in the log once."""
        assert len({document.text for document in documents}) == 1
        had = Counter((record.client_id, record.seq) for record in self.records())
        assert max(had.values()) == 1


async def rest(*documents: Document, seconds: float = 60.0) -> None:
    def is_so() -> bool:
        return all(one.status.phase == "saved" for one in documents) and len({one.text for one in documents}) == 1

    await until(is_so, seconds)

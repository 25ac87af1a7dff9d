"""Documents on PostgreSQL: over a restart, over a server that crashes, with two nodes that both think they own one."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from hubbub import ConfigurationError, Hubbub, connect
from hubbub.backends.postgres.opening import PostgresBackend
from hubbub.cli.documents import serve_documents
from hubbub.collab import Document, Documents
from hubbub.config import Settings
from hubbub.ports import Append, Appended, Refused
from tests.backends.postgres.conftest import Backends
from tests.servers.postgres import PostgresServer
from tests.sockets import serving, ws

pytestmark = pytest.mark.slow


async def test_the_setting_and_a_restart(postgres_server: PostgresServer, tmp_path: Path) -> None:
    for number in range(3):
        settings = Settings(
            anonymous=True,
            port=0,
            log=f"sqlite:///{tmp_path}/hub.db",
            documents=postgres_server.url,
            cluster="restarts",
        )
        app = Hubbub(settings)
        documents = serve_documents(app)
        assert documents is not None
        async with serving(app), connect(ws(app), user="ann") as client:
            document = Document(client, "d")
            await document.opened()
            assert document.text == "x" * number
            document.insert(0, "x")
            await document.saved()
            assert await documents.text("d") == document.text
            await document.close()


async def test_a_crash_of_the_database_while_people_type(postgres_server: PostgresServer, backends: Backends) -> None:
    backend = await backends.make()
    app = Hubbub(anonymous=True, port=0)
    documents = Documents(app, store=backend.log, snapshots=backend.snapshots, snapshot_operations=20)
    async with serving(app), connect(ws(app), user="ann") as first, connect(ws(app), user="bob") as second:
        people = [Document(first, "d"), Document(second, "d")]
        for one in people:
            await one.opened()
        typed: list[str] = []
        for number in range(240):
            typed.append(chr(0x4E00 + number))
            people[number % 2].insert(0, typed[-1])
            await asyncio.sleep(0.005)
            if number % 80 == 40:
                await asyncio.to_thread(postgres_server.crash)
            if number % 80 == 60:
                await asyncio.to_thread(postgres_server.start)
        async with asyncio.timeout(60):
            for one in people:
                await one.saved()
            while len({(one.revision, one.text) for one in people}) > 1:
                await asyncio.sleep(0.02)
        assert Counter(people[0].text) == Counter(typed)
        assert await documents.text("d") == people[0].text
        for one in people:
            await one.close()


async def test_two_that_append_to_one_log(backends: Backends) -> None:
    one, other = (await backends.make()).log, (await backends.make()).log
    heads = [0, 0]

    async def work(place: int) -> int:
        won = 0
        while won < 25:
            log = (one, other)[place]
            heads[place] = (await log.head("doc:d")).offset
            (result,) = await log.append([Append("doc:d", b"%d" % place, expected=heads[place])])  # type: ignore[misc]
            assert isinstance(result, Appended) or (isinstance(result, Refused) and result.code == "conflict")
            won += isinstance(result, Appended)
        return won

    await asyncio.gather(work(0), work(1))
    page = await one.read("doc:d", limit=100)
    assert [offset for offset, _ in page.entries] == list(range(1, 51))


async def test_a_server_that_is_not_there() -> None:
    backend = PostgresBackend("postgresql://hub:secret@127.0.0.1:1/none")
    with pytest.raises(ConfigurationError, match=r"documents: postgresql://\*\*\*@127.0.0.1:1/none cannot be used"):
        await backend.connect()
    with pytest.raises(OSError, match="not connected"):
        await backend.log.head("a")
    assert [type(one) for one in await backend.log.append([Append("a", b"1")])] == [Refused]  # type: ignore[misc]
    await backend.close()

"""The outbox on disk."""

import asyncio
import random
import sqlite3
from pathlib import Path
from typing import Any

import msgspec
import pytest

import hubbub
from hubbub.testing.loop import virtual
from tests.client.fake import FakeHub, client_of, refusing
from tests.waiting import until


def rows(path: Path) -> list[str]:
    with sqlite3.connect(path) as file:
        found = [row[0] for row in file.execute("SELECT id FROM outbox ORDER BY row")]
    file.close()
    return found


def test_it_survives_the_process_and_is_published_with_its_ids(tmp_path: Path) -> None:
    path = tmp_path / "outbox"
    ids: list[str] = []

    @virtual
    async def first() -> None:
        hub = FakeHub()
        hub.is_down = True
        async with client_of(hub, background=True, outbox_path=path) as client:
            tasks = [asyncio.create_task(client.publish("topic:a.b", str(number))) for number in range(250)]
            await asyncio.sleep(5)
            await client.close()
            for task in tasks:
                with pytest.raises(hubbub.OutcomeUnknown) as raised:
                    await task
                ids.append(raised.value.message_id)

    @virtual
    async def second() -> None:
        hub = FakeHub()
        async with client_of(hub, outbox_path=path, max_pending=50, rng=random.Random(8)) as client:
            # What is published now comes after what was left.
            await client.publish("topic:a.b", "new")
            assert hub.texts() == [*map(str, range(250)), "new"]
            assert [m["messageId"] for m in hub.heard("text")][:250] == ids
            assert all(m["sender"] == "ann" for m in hub.heard("text"))

    first()
    assert rows(path) == ids
    second()
    assert rows(path) == []


def test_what_was_sent_and_not_acknowledged_survives_a_kill_and_may_come_twice(tmp_path: Path) -> None:
    path = tmp_path / "outbox"

    @virtual
    async def run() -> None:
        hub = FakeHub()
        hub.is_down = True
        client = await hubbub.connect("ws://hub/ws", dial=hub.dial, background=True, outbox_path=path)
        publishing = asyncio.create_task(client.publish("topic:a.b", "hi"))
        await asyncio.sleep(1)
        hub.is_down, hub.acknowledges = False, False
        await until(lambda: len(hub.texts()) == 1)
        # The process is killed here: the file is all that is left of it.
        client._parts.publishing._spool._file.close()  # type: ignore[union-attr]
        publishing.cancel()
        assert len(rows(path)) == 1
        hub.acknowledges = True
        async with client_of(hub, outbox_path=path):
            await until(lambda: len(hub.texts()) == 2)
            assert len({m["messageId"] for m in hub.heard("text")}) == 1
        client._parts.link._task.cancel()  # type: ignore[union-attr]

    run()
    assert rows(path) == []


def test_what_becomes_of_messages_that_nobody_waits_for_is_told(tmp_path: Path) -> None:
    path = tmp_path / "outbox"

    @virtual
    async def run() -> None:
        hub = FakeHub()
        hub.is_down = True
        async with client_of(hub, background=True, outbox_path=path) as client:
            tasks = [asyncio.create_task(client.publish("topic:a.b", "hi")) for _ in range(2)]
            await asyncio.sleep(0)
            await client.close()
            await asyncio.gather(*tasks, return_exceptions=True)
        hub.is_down = False
        hub.answers["text"] = refusing("muted")
        errors: list[Any] = []
        client = await hubbub.connect("ws://hub/ws", dial=hub.dial, background=True, outbox_path=path)
        client.on("error", errors.append)
        await until(lambda: len(errors) == 2)
        assert [e.code for e in errors] == ["muted", "muted"]
        await client.close()

    run()
    assert rows(path) == []


def test_a_lost_session_sends_nothing_again_from_the_disk_either(tmp_path: Path) -> None:
    path = tmp_path / "outbox"

    @virtual
    async def run() -> None:
        hub = FakeHub()
        hub.is_down = True
        async with client_of(hub, background=True, outbox_path=path) as client:
            publishing = asyncio.create_task(client.publish("topic:a.b", "hi"))
            await asyncio.sleep(1)
            hub.is_down, hub.acknowledges = False, False
            await until(lambda: len(hub.texts()) == 1)
            hub.is_lost = True
            hub.socket.drop()
            with pytest.raises(hubbub.OutcomeUnknown):
                await publishing
            await asyncio.sleep(60)
            assert len(hub.texts()) == 1

    run()
    assert rows(path) == []


def test_who_is_cancelled_is_taken_off_the_disk(tmp_path: Path) -> None:
    path = tmp_path / "outbox"

    @virtual
    async def run() -> None:
        hub = FakeHub()
        hub.is_down = True
        async with client_of(hub, background=True, outbox_path=path) as client:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(1):
                    await client.publish("topic:a.b", "hi")

    run()
    assert rows(path) == []


def test_a_file_has_one_client_at_a_time(tmp_path: Path) -> None:
    @virtual
    async def run() -> None:
        hub = FakeHub()
        async with client_of(hub, outbox_path=tmp_path / "outbox"):
            with pytest.raises(hubbub.ConfigurationError) as raised:
                async with client_of(hub, outbox_path=tmp_path / "outbox"):
                    pass
            assert raised.value.setting == "outbox_path"
        async with client_of(hub, outbox_path=tmp_path / "outbox"):
            pass
        with pytest.raises(hubbub.ConfigurationError):
            async with client_of(hub, outbox_path=tmp_path / "nowhere" / "outbox"):
                pass

    run()


def test_what_cannot_be_decoded_any_more_is_told_and_harms_nobody_else(tmp_path: Path) -> None:
    path = tmp_path / "outbox"

    class Move(msgspec.Struct):
        x: int

    def catalog(*names: str) -> hubbub.Catalog:
        made = hubbub.Catalog()
        for name in names:
            made.register(name, Move)
        return made

    @virtual
    async def run() -> None:
        hub = FakeHub()
        hub.is_down = True
        async with client_of(hub, background=True, outbox_path=path, catalog=catalog("move")) as client:
            tasks = [asyncio.create_task(client.publish("topic:a.b", payload)) for payload in (Move(1), "text")]
            await asyncio.sleep(0)
            await client.close()
            await asyncio.gather(*tasks, return_exceptions=True)
        hub.is_down = False
        errors: list[Any] = []
        client = await hubbub.connect(
            "ws://hub/ws", dial=hub.dial, background=True, outbox_path=path, catalog=catalog()
        )
        client.on("error", errors.append)
        await until(lambda: len(hub.texts()) == 1)
        assert [e.code for e in errors] == ["unknown_type"]
        await client.close()

    run()
    assert rows(path) == []


def test_a_full_disk_is_the_callers_to_know(tmp_path: Path) -> None:
    @virtual
    async def run() -> None:
        hub = FakeHub()
        hub.is_down = True
        async with client_of(hub, background=True, outbox_path=tmp_path / "outbox") as client:
            spool = client._parts.publishing._spool
            assert spool is not None
            spool._file.execute("PRAGMA max_page_count = 1")
            with pytest.raises(hubbub.TryLater) as raised:
                for _ in range(100):
                    async with asyncio.timeout(0.1):
                        await client.publish("topic:a.b", "x" * 4000)
            assert raised.value.code == "unavailable"

    try:
        run()
    except TimeoutError:
        pytest.fail("the disk was never full")

import asyncio
from inspect import isawaitable
from pathlib import Path

from hubbub.backends.sqlite.storage import open_storage
from hubbub.delivery.retention import Retention, RetentionPolicy
from hubbub.ports import Append, Page
from hubbub.ports.answers import answer
from tests.backends.sqlite.helpers import append, numbered, offsets
from tests.backends.sqlite.tap import Tap


async def test_what_is_in_memory_is_answered_at_once_and_what_left_it_from_disk(path: Path, tap: Tap) -> None:
    storage = open_storage(path, connect=tap, ring_messages=10)
    log = storage.log
    await append(log, *numbered("a", range(100)))
    assert not isawaitable(log.head("a"))
    tap.reads = 0
    for query in ({"after": 90}, {"after": 99}, {"after": 95, "before": 98}, {"after": 92, "newest": True, "limit": 7}):
        page = log.read("a", **{"limit": 1000, **query})  # type: ignore[arg-type]
        assert isinstance(page, Page)
        assert page.entries
    assert tap.reads == 0
    for query in (
        {"after": 89},
        {"after": 0},
        {"newest": True, "limit": 11},
        {"before": 92, "newest": True, "limit": 2},
    ):
        found = log.read("a", **{"limit": 1000, **query})  # type: ignore[arg-type]
        assert isawaitable(found)
        assert (await found).entries
    assert tap.reads == 4, "one statement each"
    page = await answer(log.read("a", limit=1000))
    assert [record for _, record in page.entries] == [b"%d" % number for number in range(100)]
    await storage.close()


async def test_a_ring_that_keeps_as_much_as_the_retention_answers_everything(path: Path, tap: Tap) -> None:
    storage = open_storage(path, connect=tap, retention=RetentionPolicy(Retention(messages=20)))
    await append(storage.log, *numbered("a", range(100)))
    tap.reads = 0
    page = await answer(storage.log.read("a", limit=1000))
    assert (offsets(page), page.oldest, page.complete) == (list(range(81, 101)), 81, True)
    assert tap.reads == 0
    await storage.close()


async def test_memory_is_bounded_and_forgetting_a_log_loses_nothing(path: Path, tap: Tap) -> None:
    storage = open_storage(path, connect=tap, memory=50_000)
    for number in range(100):
        await append(storage.log, Append(f"log-{number}", b"x" * 2000), Append(f"log-{number}", b"y"))
        assert storage.log._hot.used <= 50_000
    assert 5 < len(storage.log._hot) < 20
    assert storage.log._hot.used == sum(log.cost for log in storage.log._hot._logs.values())
    assert isawaitable(storage.log.head("log-0"))
    assert not isawaitable(storage.log.head("log-99"))
    for number in range(100):
        (result,) = await append(storage.log, Append(f"log-{number}", b"z"))
        assert result.offset == 3
        page = await answer(storage.log.read(f"log-{number}", limit=10))
        assert [record[:1] for _, record in page.entries] == [b"x", b"y", b"z"]
    await storage.close()


async def test_logs_that_many_ask_for_at_once_are_looked_for_together(path: Path, tap: Tap) -> None:
    storage = open_storage(path, connect=tap)
    tap.reads = 0
    heads = await asyncio.gather(*(answer(storage.log.head(f"user:{number}")) for number in range(200)))
    assert {head.offset for head in heads} == {0}
    assert tap.reads == 2, "one for the first, and one for all that came meanwhile"
    await storage.close()


async def test_many_may_ask_where_nothing_fits_into_memory(path: Path) -> None:
    storage = open_storage(path, memory=0)
    names = [f"log-{number}" for number in range(50)]
    for _ in range(10):
        asked = [storage.log.append([Append(name, b"x", "s", name), Append(name, b"y")]) for name in names]
        heads = [storage.log.head(name) for name in reversed(names)]
        pages = [storage.log.read(name, limit=10) for name in names]
        for pending in (*asked, *heads, *pages):
            await answer(pending)
    assert len(storage.log._hot) == 0
    for name in names:
        page = await answer(storage.log.read(name, limit=20))
        assert [record for _, record in page.entries] == [b"x", *[b"y"] * 10]
    await storage.close()

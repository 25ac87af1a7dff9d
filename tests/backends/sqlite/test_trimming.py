import asyncio
from pathlib import Path

from hubbub.backends.sqlite.storage import SqliteStorage, open_storage
from hubbub.delivery.retention import Retention, RetentionPolicy
from hubbub.ports import Append, Page
from hubbub.ports.answers import answer
from hubbub.testing.clock import VirtualClock
from tests.backends.sqlite.helpers import Rows, append, numbered, offsets
from tests.backends.sqlite.tap import Tap


async def test_the_file_keeps_little_more_than_the_retention(path: Path, rows: Rows) -> None:
    policy = RetentionPolicy(Retention(messages=100), [("big", Retention(size=10_000))])
    storage = open_storage(path, retention=policy)
    for start in range(0, 2000, 50):
        await append(storage.log, *numbered("a", range(start, start + 50)), Append("big", b"x" * 1000))
        assert rows("SELECT count(*) FROM records JOIN logs ON log = id WHERE name = 'a'") <= 112
        assert rows("SELECT sum(length(record)) FROM records JOIN logs ON log = id WHERE name = 'big'") <= 11_250
    counted = rows("SELECT json_group_array(json_array(records, size)) FROM logs")
    real = rows(
        "SELECT json_group_array(json_array(n, s)) FROM "
        "(SELECT count(*) AS n, sum(length(record)) AS s FROM records GROUP BY log ORDER BY log)"
    )
    assert counted == real
    await storage.close()


async def test_logs_that_nobody_touches_age_out(path: Path, rows: Rows) -> None:
    wall = VirtualClock(1e9)
    policy = RetentionPolicy(Retention(age=100), [("long", Retention(age=1000, messages=10**5))])
    storage = open_storage(path, wall=wall, retention=policy, dedup_age=50)
    names = [*(f"log-{number}" for number in range(1200)), "long"]
    await append(storage.log, *(Append(name, b"x", "s", name) for name in names))
    await append(storage.log, *(Append("long", b"x") for _ in range(5000)))
    wall.advance(60)
    await answer(storage.database.sweep())
    assert rows("SELECT count(*) FROM records") == 6201
    assert rows("SELECT count(*) FROM seen") == 0
    wall.advance(60)
    for _ in range(4):
        await answer(storage.database.sweep())
    assert rows("SELECT count(*) FROM records") == 5001
    assert rows("SELECT count(*) FROM logs") == 1201
    wall.advance(1000)
    page = await answer(storage.log.read("long", limit=10))
    assert (list(page.entries), page.oldest, page.head) == ([], 5002, 5001), "gone before it is deleted"
    for _ in range(4):
        await answer(storage.database.sweep())
    assert rows("SELECT count(*) FROM records") == 0
    assert await answer(storage.log.head("log-7")) == (await answer(storage.log.head("log-7")))
    assert (await append(storage.log, Append("log-7", b"x")))[0].offset == 2
    await storage.close()


async def test_what_aged_is_swept_by_itself(path: Path, rows: Rows, tap: Tap) -> None:
    wall = VirtualClock(1e9)
    storage = open_storage(path, wall=wall, retention=RetentionPolicy(Retention(age=1)), connect=tap)
    await append(storage.log, Append("a", b"x"))
    wall.advance(2)
    tap.hold()
    await asyncio.to_thread(tap.waiting.wait)
    tap.gate.set()
    await answer(storage.database.sweep())
    assert rows("SELECT count(*) FROM records") == 0
    await storage.close()


async def test_message_ids_on_disk_are_bounded(path: Path, rows: Rows) -> None:
    storage = open_storage(path, dedup_window=100)
    for start in range(0, 3000, 60):
        await append(storage.log, *numbered("a", range(start, start + 60)))
    assert 100 <= rows("SELECT count(*) FROM seen") <= 228
    await append(storage.log, Append("a", b"x", "t", "1"))
    storage.log.forget("s")
    await append(storage.log, Append("a", b"y"))
    assert rows("SELECT count(*) FROM seen") == 1
    await storage.close()


async def test_a_session_that_is_forgotten_while_its_messages_are_under_way(path: Path, rows: Rows, tap: Tap) -> None:
    storage = open_storage(path, connect=tap)
    await append(storage.log, Append("a", b"0", "s", "0"))
    tap.hold()
    pending = asyncio.ensure_future(append(storage.log, Append("a", b"1", "s", "1")))
    await asyncio.to_thread(tap.waiting.wait)
    storage.log.forget("s")
    after = asyncio.ensure_future(append(storage.log, Append("a", b"2", "s", "1"), Append("a", b"3", "s", "0")))
    await asyncio.sleep(0)
    tap.gate.set()
    assert not any(result.repeated for result in (await pending) + (await after))
    assert rows("SELECT count(*) FROM seen") == 2
    assert (await append(storage.log, Append("a", b"2", "s", "1")))[0].repeated
    await storage.close()


async def test_a_log_begins_to_conflate_and_ceases_to(path: Path, rows: Rows) -> None:
    def opened(conflate: bool) -> SqliteStorage:
        retention = Retention(messages=4, conflate=conflate)
        return open_storage(path, retention=RetentionPolicy(retention), memory=0)

    async def records() -> list[bytes]:
        return [record for _, record in (await answer(storage.log.read("a", limit=100))).entries]

    keyed = [Append("a", b"%d" % number, key=f"{number % 3}" if number < 6 else "x") for number in range(10)]
    storage = opened(False)
    await append(storage.log, *keyed)
    assert await records() == [b"6", b"7", b"8", b"9"]
    await storage.close()
    storage = opened(True)
    await append(storage.log, *keyed)
    assert await records() == [b"3", b"4", b"5", b"6", b"7", b"8", b"9"]
    await storage.close()
    storage = opened(False)
    await append(storage.log, Append("a", b"10"))
    assert await records() == [b"7", b"8", b"9", b"10"]
    assert rows("SELECT kept FROM logs") == 0
    await storage.close()


def test_a_clock_that_is_set_back_does_not_confuse_ages(path: Path) -> None:
    wall = VirtualClock(1e9)
    storage = open_storage(path, inline=True, wall=wall, retention=RetentionPolicy(Retention(age=100)), memory=0)
    storage.log.append([Append("a", b"1")])
    wall.advance(-1000)
    storage.log.append([Append("a", b"2")])
    wall.advance(1050)
    page = storage.log.read("a", limit=10)
    assert isinstance(page, Page)
    assert offsets(page) == [1, 2], "the second counts as old as the first"
    storage.database.leave(), storage.database.leave(), storage.database.leave()


async def test_records_may_be_kept_for_ever(path: Path) -> None:
    forever = RetentionPolicy(Retention(messages=10**6, size=10**9, age=float("inf")))
    wall = VirtualClock()
    storage = open_storage(path, wall=wall, retention=forever, ring_messages=1, dedup_age=float("inf"))
    await append(storage.log, *numbered("a", range(10)))
    wall.advance(1e9)
    await answer(storage.database.sweep())
    assert len((await answer(storage.log.read("a", limit=100))).entries) == 10
    assert (await append(storage.log, *numbered("a", range(1))))[0].repeated
    await storage.close()

import asyncio
import random
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from hubbub.backends.sqlite.storage import open_storage
from hubbub.delivery.retention import Retention, RetentionPolicy
from hubbub.ports import Append, Appended, Refused
from hubbub.ports.answers import answer
from tests.backends.sqlite.helpers import append, offsets
from tests.backends.sqlite.tap import Tap, failure


async def test_nothing_is_said_or_seen_of_a_record_before_it_is_on_disk(path: Path, tap: Tap) -> None:
    storage = open_storage(path, connect=tap)
    log = storage.log
    await append(log, Append("a", b"1"))
    tap.hold()
    pending = asyncio.ensure_future(answer(log.append([Append("a", b"2", "s", "id")])))
    await asyncio.to_thread(tap.waiting.wait)
    repeat = asyncio.ensure_future(answer(log.append([Append("a", b"2", "s", "id")])))
    more = asyncio.ensure_future(answer(log.append([Append("a", b"3"), Append("b", b"4")])))
    await asyncio.sleep(0)
    assert not pending.done()
    assert (await answer(log.head("a"))).offset == 1
    assert offsets(await answer(log.read("a", limit=10))) == [1]
    assert (await answer(log.head("b"))).offset == 0
    tap.gate.set()
    (first,), (second,), (third, other) = await asyncio.gather(pending, repeat, more)
    assert isinstance(first, Appended)
    assert (first.offset, second) == (2, Appended(first.epoch, 2, True))
    assert (third, other) == (Appended(first.epoch, 3), Appended(first.epoch, 1))
    await storage.close()


@pytest.mark.parametrize("code", [sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR])
async def test_what_cannot_be_committed_is_refused_as_a_whole(path: Path, tap: Tap, code: int) -> None:
    storage = open_storage(path, connect=tap, ring_messages=3)
    log = storage.log
    await append(log, Append("a", b"1", "s", "1"))
    tap.failing["COMMIT"] = failure(code)
    tap.hold()
    items = [Append("a", b"2", "s", "2"), Append("a", b"1", "s", "1"), Append("b", b"3")]
    failing = asyncio.ensure_future(answer(log.append(items)))
    await asyncio.to_thread(tap.waiting.wait)
    late = asyncio.ensure_future(answer(log.append([Append("a", b"2", "s", "2")])))
    await asyncio.sleep(0)
    tap.gate.set()
    refused, repeated, other = await failing
    tap.failing.clear()
    assert isinstance(refused, Refused)
    assert (refused.code, other) == ("unavailable", refused)
    assert isinstance(repeated, Appended), "the first one of that is on disk"
    (result,) = await late
    assert isinstance(result, Refused), "it was the repeat of one that was refused"
    assert offsets(await answer(log.read("a", limit=10))) == [1]
    (again, new) = await append(log, Append("a", b"2", "s", "2"), Append("b", b"3"))
    assert (again.repeated, again.offset > 1, new.repeated) == (False, True, False)
    for after in (0, 1):
        page = await answer(log.read("a", after=after, limit=10))
        assert [record for _, record in page.entries] == [b"1", b"2"][after:]
        assert (page.oldest, page.head, page.complete) == (1, again.offset, True), "nobody missed the hole"
    await storage.close()
    reopened = open_storage(path)
    page = await answer(reopened.log.read("a", limit=10))
    assert (offsets(page), page.oldest) == ([1, again.offset], 1)
    await reopened.close()


async def test_batches_behind_one_that_fails_go_their_way(path: Path, tap: Tap) -> None:
    storage = open_storage(path, connect=tap)
    await append(storage.log, Append("a", b"0"))
    tap.failing["BEGIN"] = failure(sqlite3.SQLITE_IOERR)
    (refused,) = await answer(storage.log.append([Append("a", b"1")]))
    assert isinstance(refused, Refused)
    tap.failing.clear()
    results = await asyncio.gather(*(append(storage.log, Append("a", b"%d" % number)) for number in range(2, 9)))
    found = offsets(await answer(storage.log.read("a", limit=100)))
    assert found == [1] + [result.offset for (result,) in results]
    await storage.close()


@pytest.mark.parametrize("memory", [0, 10**7])
async def test_who_tries_again_until_it_works_gets_each_record_in_once(path: Path, tap: Tap, memory: int) -> None:
    chance = random.Random(memory)
    policy = RetentionPolicy(Retention(messages=10**6, size=10**9))
    storage = open_storage(path, connect=tap, retention=policy, memory=memory, ring_messages=5)
    acknowledged: dict[bytes, int] = {}
    refusals = 0

    async def publish(session: str) -> None:
        nonlocal refusals
        for number in range(20):
            item = Append(f"log-{chance.randrange(3)}", f"{session}.{number}".encode(), session, f"{number}")
            tries = chance.choice([1, 1, 2])
            while True:
                results = [(await answer(one))[0] for one in [storage.log.append([item]) for _ in range(tries)]]
                offsets = {result.offset for result in results if isinstance(result, Appended)}
                assert len(offsets) <= 1
                if offsets:
                    acknowledged[item.record] = offsets.pop()
                    break
                refusals += 1

    async def fail(publishing: asyncio.Future[Any]) -> None:
        while not publishing.done():
            statement = chance.choice(
                ["COMMIT", "BEGIN", "INSERT INTO records", "INSERT INTO logs", "INSERT INTO seen"]
            )
            tap.failing[statement] = failure(chance.choice([sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR]))
            await answer(storage.log.append([Append("other", b"x")]))
            tap.failing.clear()
            await answer(storage.log.append([Append("other", b"x")]))

    publishing = asyncio.gather(*(publish(f"s{number}") for number in range(20)))
    await asyncio.gather(publishing, fail(publishing))
    assert refusals > 0
    stored: dict[bytes, int] = {}
    for name in ("log-0", "log-1", "log-2"):
        page = await answer(storage.log.read(name, limit=1000))
        assert offsets(page) == sorted(set(offsets(page)))
        stored |= {record: offset for offset, record in page.entries}
        assert len(page.entries) == len({record for _, record in page.entries})
    assert stored == acknowledged
    await storage.close()


async def test_a_disk_that_does_not_keep_up_does_not_fill_the_memory(path: Path, tap: Tap) -> None:
    storage = open_storage(path, connect=tap)
    await append(storage.log, Append("a", b"0"))
    tap.hold()
    big = b"x" * 8 * 1024 * 1024
    pending = [storage.log.append([Append("a", big)]) for _ in range(12)]
    await asyncio.to_thread(tap.waiting.wait)
    tap.gate.set()
    answers = [(await answer(one))[0] for one in pending]
    accepted = [isinstance(result, Appended) for result in answers]
    assert accepted == [True] * 9 + [False] * 3
    assert answers[-1] == Refused("unavailable", "the disk does not keep up")
    await append(storage.log, Append("a", big))
    await storage.close()


async def test_repeats_do_not_count_for_ever_as_pending(path: Path) -> None:
    storage = open_storage(path)
    item = Append("a", b"x" * 8 * 1024 * 1024, "s", "1")
    await append(storage.log, item)
    for _ in range(20):
        (result,) = await append(storage.log, item)
        assert result.repeated
    assert not (await append(storage.log, Append("a", b"new")))[0].repeated
    await storage.close()


async def test_a_name_that_is_no_text_harms_nobody_else(path: Path) -> None:
    storage = open_storage(path)
    items = [
        Append("a", b"1"),
        Append("a", b"2", "s", "\ud800"),
        Append("\ud800", b"3"),
        Append("a", b"4", "\ud800", "1"),
    ]
    answers = [(await answer(one))[0] for one in [storage.log.append([item]) for item in items]]
    assert [isinstance(result, Appended) for result in answers] == [True, False, False, False]
    assert offsets(await answer(storage.log.read("a", limit=10))) == [1]
    await append(storage.log, Append("a", b"5", "s", "1"))
    await storage.close()


async def test_waiting_for_an_answer_may_be_given_up(path: Path, tap: Tap) -> None:
    storage = open_storage(path, connect=tap)
    await append(storage.log, Append("a", b"0"))
    tap.hold()
    pending = asyncio.ensure_future(answer(storage.log.append([Append("a", b"1")])))
    await asyncio.to_thread(tap.waiting.wait)
    pending.cancel()
    await asyncio.gather(pending, return_exceptions=True)
    tap.gate.set()
    assert (await append(storage.log, Append("a", b"2")))[0].offset == 3
    await storage.close()


async def test_a_record_on_condition_does_not_follow_one_that_was_not_stored(path: Path, tap: Tap) -> None:
    """The first fails while the second, which expects it, waits to be written."""
    storage = open_storage(path, connect=tap)
    log = storage.log
    (before, _, _) = await append(log, *(Append(name, b"0") for name in "abc"))
    tap.failing["COMMIT"] = failure(sqlite3.SQLITE_IOERR)
    tap.once = True
    tap.hold()
    first = asyncio.ensure_future(answer(log.append([Append("a", b"1", expected=before.offset)])))
    await asyncio.to_thread(tap.waiting.wait)
    second = asyncio.ensure_future(
        answer(log.append([Append("a", b"2", expected=before.offset + 1), Append("b", b"beside")]))
    )
    third = asyncio.ensure_future(answer(log.append([Append("a", b"3", expected=before.offset + 2)])))
    other = asyncio.ensure_future(answer(log.append([Append("c", b"its own")])))
    late = asyncio.ensure_future(answer(log.append([Append("a", b"x", expected=before.offset)])))
    await asyncio.sleep(0)
    assert not late.done(), "what it conflicts with is not there yet"
    tap.gate.set()
    outcomes = [(await one)[0] for one in (first, second, third, late)]
    assert [result.code if isinstance(result, Refused) else "" for result in outcomes] == [
        "unavailable",
        "unavailable",
        "unavailable",
        "conflict",
    ]
    assert isinstance((await other)[0], Appended), "it counted on nothing"
    (after,) = await append(log, Append("a", b"1", expected=before.offset))
    assert [record for _, record in (await answer(log.read("a", limit=10))).entries] == [b"0", b"1"]
    await append(log, Append("a", b"2", expected=after.offset))
    await storage.close()

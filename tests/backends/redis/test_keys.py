"""What is kept on the server, and for how long: nothing for ever, and nothing outside the cluster's name."""

import asyncio
import time

import pytest

from hubbub.backends.redis.log import RedisLog
from hubbub.backends.redis.naming import Names
from hubbub.delivery.retention import Retention, RetentionPolicy
from hubbub.ports import Append, SessionRecord
from hubbub.testing.clock import VirtualClock
from hubbub.testing.shared_log_contract import Recorder
from tests.backends.redis.conftest import Backends
from tests.servers.redis import RedisServer

pytestmark = pytest.mark.slow

DAY = 86_400_000


def lives(server: RedisServer, cluster: str) -> dict[str, int]:
    """The keys of a cluster of hubs, with their milliseconds to live; -1 without end."""
    keys = server.ask("KEYS", f"{cluster}:*")
    return {key.decode().removeprefix(f"{cluster}:"): int(server.ask("PTTL", key)) for key in keys}


async def test_everything_of_a_log_ends_some_day(redis_server: RedisServer, backends: Backends) -> None:
    backend = await backends.make(redis_server.url, dedup_age=7200.0)
    await backend.log.head("empty")
    await backend.log.append([Append("a", b"x", "s", f"{number}") for number in range(130)])
    await backend.log.follow("a", Recorder())
    found = lives(redis_server, backends.cluster)
    epoch = (await backend.log.head("a")).epoch
    assert set(found) == {"{log:empty}:m", "{log:a}:m", "{log:a}:s", "{log:a}:k", f"{{log:a}}:d:{epoch}:s"}
    assert 0 < found["{log:empty}:m"] <= DAY
    assert 29 * DAY < found["{log:a}:m"] < 31 * DAY
    assert 3_600_000 < found["{log:a}:s"] <= 3_720_000
    assert 0 < found["{log:a}:k"] <= 3_720_000
    assert 7_200_000 < found[f"{{log:a}}:d:{epoch}:s"] <= 7_260_000


async def test_a_silent_log_that_is_read_is_not_forgotten(redis_server: RedisServer, backends: Backends) -> None:
    backend = await backends.make(redis_server.url)
    clock, names = VirtualClock(1000.0), Names(backends.cluster)
    log = RedisLog(backend.client, names, backend.subscriber, clock=clock)
    await log.head("empty")
    await log.append([Append("a", b"x")])
    for name in ("a", "empty"):
        redis_server.ask("PEXPIRE", names.log(name)[0], 60_000)
        await log.read(name, limit=1)
    assert 0 < redis_server.ask("PTTL", names.log("a")[0]) <= 60_000, "not at every look"
    assert redis_server.ask("PTTL", names.log("empty")[0]) > DAY - 60_000
    clock.advance(86_400)
    page = await log.read("a", limit=1)
    assert redis_server.ask("PTTL", names.log("a")[0]) > 29 * DAY
    assert (page.head, page.oldest) == (1, 2)


async def test_what_is_too_old_goes_by_itself_and_the_log_goes_on(
    redis_server: RedisServer, backends: Backends
) -> None:
    backend = await backends.make(redis_server.url, retention=RetentionPolicy(Retention(age=0.2)))
    (first,) = await backend.log.append([Append("a", b"x")])
    page = await backend.log.read("a", limit=10)
    assert [record for _, record in page.entries] == [b"x"]
    async with asyncio.timeout(5):
        while page.entries:
            await asyncio.sleep(0.05)
            page = await backend.log.read("a", limit=10)
    assert (page.head, page.oldest) == (1, 2)
    (second,) = await backend.log.append([Append("a", b"y")])
    assert (second.epoch, second.offset) == (first.epoch, 2)  # type: ignore[union-attr]


async def test_a_log_takes_little_more_than_what_it_keeps(redis_server: RedisServer, backends: Backends) -> None:
    backend = await backends.make(redis_server.url, retention=RetentionPolicy(Retention(messages=100, size=10_000)))
    for _ in range(50):
        await backend.log.append([Append("a", b"x" * 50) for _ in range(20)])
        await backend.log.append([Append("b", b"x" * 1000) for _ in range(3)])
    for log, least, most in (("a", 100, 145), ("b", 10, 14)):
        page = await backend.log.read(log, limit=1000)
        assert least <= redis_server.ask("XLEN", f"{backends.cluster}:{{log:{log}}}:s") == len(page.entries) <= most
        assert page.oldest == page.entries[0][0]
        assert page.head == page.entries[-1][0]


async def test_a_stream_that_was_evicted_is_told_and_not_believed(
    redis_server: RedisServer, backends: Backends
) -> None:
    backend = await backends.make(redis_server.url)
    await backend.log.append([Append("a", b"x") for _ in range(5)])
    redis_server.ask("DEL", f"{backends.cluster}:{{log:a}}:s")
    page = await backend.log.read("a", limit=10)
    assert (page.head, page.oldest, list(page.entries)) == (5, 6, [])
    redis_server.ask("DEL", f"{backends.cluster}:{{log:a}}:m")
    (begun,) = await backend.log.append([Append("a", b"y")])
    assert (begun.offset, begun.epoch != page.epoch) == (1, True)  # type: ignore[union-attr]


async def test_a_traffic_that_is_old_is_dropped_without_a_reader(redis_server: RedisServer, backends: Backends) -> None:
    backend = await backends.make(redis_server.url)
    clock, names = VirtualClock(1000.0), Names(backends.cluster)
    policy = RetentionPolicy(Retention(messages=80, age=100))
    log = RedisLog(backend.client, names, backend.subscriber, retention=policy, clock=clock)
    for _ in range(400):
        await log.append([Append("a", b"x" * 10)])
        clock.advance(5)
    # 20 are young enough; the marks are ten apart.
    assert 20 <= redis_server.ask("XLEN", names.log("a")[1]) <= 31
    assert redis_server.ask("LLEN", f"{backends.cluster}:{{log:a}}:k") <= 4
    assert len((await log.read("a", limit=100)).entries) == 19


async def test_a_busy_session_is_remembered_within_bounds(redis_server: RedisServer, backends: Backends) -> None:
    backend = await backends.make(redis_server.url)
    for start in range(0, 10_000, 250):
        batch = [Append("a", b"x", "s", f"{number}") for number in range(start, start + 250)]
        assert not any(result.repeated for result in await backend.log.append(batch))  # type: ignore[union-attr]
        again = await backend.log.append([Append("a", b"x", "s", f"{max(0, start - 770)}")])
        assert again[0].repeated  # type: ignore[union-attr]
    keys = [key for key in redis_server.ask("KEYS", f"{backends.cluster}:*") if b":d:" in key]
    assert len(keys) == 2
    for key in keys:
        size = redis_server.ask("HLEN", key)
        assert size <= 1024 + 250 + 1
        # A long one would be searched from its beginning.
        assert size < 500 or redis_server.ask("OBJECT ENCODING", key) == b"hashtable"


async def test_a_window_of_message_ids_is_of_one_life_of_the_log(redis_server: RedisServer, backends: Backends) -> None:
    backend = await backends.make(redis_server.url)
    await backend.log.append([Append("a", b"x", "s", "1")])
    redis_server.ask("DEL", f"{backends.cluster}:{{log:a}}:m", f"{backends.cluster}:{{log:a}}:s")
    (result,) = await backend.log.append([Append("a", b"x", "s", "1")])
    assert not result.repeated  # type: ignore[union-attr]


async def test_without_a_message_id_nothing_is_a_repeat(redis_server: RedisServer, backends: Backends) -> None:
    backend = await backends.make(redis_server.url)
    for offset in (1, 2, 3):
        (result,) = await backend.log.append([Append("a", b"x", "s")])
        assert (result.offset, result.repeated) == (offset, False)  # type: ignore[union-attr]


async def test_expired_sessions_leave_nothing(redis_server: RedisServer, backends: Backends) -> None:
    backend = await backends.make(redis_server.url)
    for number, lifetime in enumerate((0.2, 0.3)):
        record = SessionRecord(f"d{number}", "k", "ann", f"c{number}", 1.0, time.time() + lifetime, b"x")
        assert await backend.sessions.save(record)
    assert len(await backend.sessions.of_user("ann")) == 2
    assert all(0 < left <= 300 for left in lives(redis_server, backends.cluster).values())
    async with asyncio.timeout(5):
        while lives(redis_server, backends.cluster):
            await asyncio.sleep(0.05)
    assert await backend.sessions.of_user("ann") == []


async def test_a_clock_that_is_wrong_shortens_no_session(redis_server: RedisServer, backends: Backends) -> None:
    """A node whose clock is a minute ahead saved it: for all it lives as long as that node meant."""
    backend = await backends.make(redis_server.url)
    backend.sessions._now = lambda: time.time() + 60
    record = SessionRecord("d", "k", "ann", "c", 1.0, time.time() + 60 + 30, b"x")
    assert await backend.sessions.save(record)
    other = await backends.make(redis_server.url)
    assert await other.sessions.load("d") == record
    assert 29_000 < lives(redis_server, backends.cluster)["{sessions}:d:d"] <= 30_000


async def test_presence_that_ended_leaves_no_keys(redis_server: RedisServer, backends: Backends) -> None:
    backend = await backends.make(redis_server.url)
    for user in ("ann", "bob"):
        await backend.presence.join("den", user, "s", "n")
    await backend.presence.leave("den", "ann", "s", "n")
    await backend.presence.drop("n")
    assert set(lives(redis_server, backends.cluster)) == {"{presence}:n"}
    await backend.presence.join("den", "ann", "s", "n")
    await backend.presence.join("den", "ann", "s", "m")
    await backend.presence.leave("den", "ann", "s", "m")
    assert set(lives(redis_server, backends.cluster)) == {"{presence}:n", "{presence}:nodes"}


async def test_where_a_session_wrote_is_forgotten_in_the_end(
    redis_server: RedisServer, backends: Backends, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hubbub.backends.redis.log._WRITERS", 10)
    backend = await backends.make(redis_server.url)
    log = RedisLog(backend.client, Names(backends.cluster), backend.subscriber)
    for number in range(50):
        await log.append([Append("a", b"x", f"s{number}", "1")])
    assert len(log._writers) == 10

"""A Redis Cluster that loses a server, or moves a slot to another one."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from redis.crc import key_slot

from hubbub.backends.redis.opening import RedisBackend
from hubbub.ports import Append, Appended
from hubbub.testing.mailbox_contract import Letters
from hubbub.testing.shared_log_contract import Recorder
from tests.backends.redis.conftest import Backends
from tests.backends.redis.test_faults import DURABLE, append, appended_in_the_end, records
from tests.servers.redis import RedisServer, RedisThree
from tests.waiting import until

pytestmark = pytest.mark.slow


@pytest.fixture
def three(tmp_path: Path) -> Iterator[RedisThree]:
    """A cluster that a test may do anything to."""
    cluster = RedisThree(tmp_path / "cluster", *DURABLE)
    cluster.start()
    yield cluster
    cluster.kill()


def server_of(three: RedisThree, key: str) -> RedisServer:
    """The server that has a key now."""
    slot = key_slot(key.encode())
    return next(server for server in three.servers if slot in server.slots())


async def test_a_server_that_restarts_loses_nothing_and_the_others_go_on(three: RedisThree, backends: Backends) -> None:
    one, two = await backends.make(three.url), await backends.make(three.url)
    ear = Recorder()
    names = [f"room:{number}" for number in range(30)]
    homes = {name: server_of(three, one.log._names.log(name)[0]) for name in names}
    assert len(set(homes.values())) == 3
    for name in names:
        await one.log.follow(name, ear)
    results = await append(two, *(Append(name, b"1", "s", name) for name in names))
    killed = three.servers[1]
    killed.kill()
    unhurt = [name for name in names if homes[name] is not killed]
    for name in unhurt:
        await append(two, Append(name, b"2", "s", f"2 {name}"))
        await ear.until(name, b"2")
    hurt = [name for name in names if homes[name] is killed]
    with pytest.raises(OSError):
        await two.log.append([Append(hurt[0], b"2", "s", f"2 {hurt[0]}")])
    killed.start()
    for name in hurt:
        result = await appended_in_the_end(two, Append(name, b"2", "s", f"2 {name}"))
        assert result == Appended(results[names.index(name)].epoch, 2, result.repeated)
    await ear.changes.until(lambda: set(hurt) <= set(ear.interrupted_logs))
    assert not set(unhurt) & set(ear.interrupted_logs)
    for name in hurt:
        await append(two, Append(name, b"3"))
        await ear.until(name, b"3")
        assert await records(one, name) == [b"1", b"2", b"3"]


async def test_nothing_stays_open_when_a_server_is_away_at_the_end(three: RedisThree) -> None:
    gone, *there = three.servers
    backend = RedisBackend(three.url)
    await backend.connect()
    gone.kill()
    await backend.client.refresh()
    assert all(connections(server) > 0 for server in there)
    await backend.close()
    await until(lambda: not any(connections(server) for server in there))


def connections(server: RedisServer) -> int:
    """How many there are, besides the one that asks."""
    return len(server.ask("CLIENT LIST")) - 1


async def test_a_slot_that_moves_takes_its_log_and_its_followers_along(three: RedisThree, backends: Backends) -> None:
    one, two = await backends.make(three.url), await backends.make(three.url)
    ear, letters = Recorder(), Letters()
    names = [f"room:{number}" for number in range(30)]
    homes = {name: server_of(three, one.log._names.log(name)[0]) for name in names}
    moved, before = names[0], homes[names[0]]
    after = next(server for server in three.servers if server is not before)
    # First: where it is on one connection with logs it is confirmed again before they are.
    await one.mailbox.open("nodes", letters.receive)
    for name in names:
        await one.log.follow(name, ear)
    (first,) = await append(two, Append(moved, b"1", "s", "1"))
    three.move(key_slot(one.log._names.log(moved)[0].encode()), before, after)
    assert await appended_in_the_end(two, Append(moved, b"1", "s", "1")) == Appended(first.epoch, 1, True)
    # All that were followed at the server it left hear of it, and nobody else.
    shaken = {name for name in names if homes[name] is before}
    await ear.changes.until(lambda: shaken <= set(ear.interrupted_logs))
    assert shaken == set(ear.interrupted_logs)
    await append(two, *(Append(name, b"2") for name in names))
    for name in names:
        await ear.until(name, b"2")
    assert await records(one, moved) == [b"1", b"2"]
    two.mailbox.send("nodes", b"still")
    await letters.until(b"still")

"""The show: three nodes behind nginx, a crowd with a steady load, and everything that can happen to a cluster in turn.

`make show` is the full size, and prints the figures; the variables of `test_chaos` set another.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.chaos.crowd import Crowd, Verdict
from tests.chaos.show import Beat, Programme, stage
from tests.chaos.test_chaos import CLIENTS, SECONDS, SEED
from tests.chaos.test_cluster import DURABLE
from tests.servers.redis import RedisServer

pytestmark = pytest.mark.slow

GROUP = 50 if CLIENTS >= 500 else 20
PAUSE = 0.25
"""Seconds between two messages of a group."""
WATCHED = SECONDS / 4
"""Seconds for which it is watched what comes of something."""


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Callable[..., RedisServer]]:
    """Starts one with further options."""
    servers: list[RedisServer] = []

    def start(*options: str) -> RedisServer:
        servers.append(RedisServer(tmp_path / "redis", *options))
        servers[-1].start()
        return servers[-1]

    yield start
    for server in servers:
        server.kill()


async def restart(redis: RedisServer) -> None:
    """As after a crash."""
    await asyncio.to_thread(redis.kill)
    await asyncio.to_thread(redis.start)


async def test_nothing_is_lost_whatever_happens(redis: Callable[..., RedisServer], tmp_path: Path) -> None:
    backend = redis(*DURABLE)
    crowd = Crowd(CLIENTS, SEED, group=GROUP)
    beat = Beat(crowd, PAUSE)
    programme = Programme(crowd, beat)
    async with stage(tmp_path, backend) as cluster:
        try:
            await crowd.open(cluster.url)
            async with beat.going():
                async with programme.act("nothing", WATCHED):
                    pass
                async with programme.act("a node is killed", WATCHED):
                    await cluster.nodes[0].kill()
                async with programme.act("it is started again", WATCHED):
                    await cluster.nodes[0].start()
                async with programme.act("Redis is killed and started", WATCHED):
                    await restart(backend)
                # The one that was killed has nobody yet.
                for node in (*cluster.nodes[1:], cluster.nodes[0]):
                    async with programme.act(f"node {node.name} is drained and started", WATCHED):
                        await node.stop()
                        await node.start()
            await crowd.settle()
            await crowd.last_words()
            verdict = crowd.judge()
        finally:
            await crowd.close()
    print(f"\n{CLIENTS} clients in groups of {GROUP}, seed {SEED}\n\n{programme.table()}\n\n{summary(verdict)}")
    assert not verdict.wrong, f"seed {SEED}: {verdict}\n{cluster.complaints()}"
    assert (verdict.unknown, verdict.sessions) == (0, 0), verdict
    assert "Traceback" not in cluster.complaints(), cluster.complaints()
    _, killed, _, restarted, *drained = programme.acts
    # Each of these did what it was to do, and nothing more: otherwise this would prove less than it says.
    assert abs(killed.cut - CLIENTS / 3) <= 1 + CLIENTS / 100
    assert [act.cut for act in (restarted, *drained)] == [0, 0, 0, 0]
    assert sum(act.moved for act in drained) >= CLIENTS


async def test_what_redis_loses_is_told(redis: Callable[..., RedisServer], tmp_path: Path) -> None:
    """It keeps nothing on disk: whoever reads is told of a gap, keeps the session, and misses nothing from then on."""
    backend = redis()
    crowd = Crowd(CLIENTS, SEED, group=GROUP)
    beat = Beat(crowd, PAUSE)
    async with stage(tmp_path, backend) as cluster:
        try:
            await crowd.open(cluster.url)
            async with beat.going():
                # Something that can be lost.
                await until(lambda: all(member.received for member in crowd.members))
                await restart(backend)
                await until(lambda: all(member.missed for member in crowd.members))
            await crowd.begin_anew()
            async with beat.going():
                await until(lambda: all(len(member.received) > 4 for member in crowd.members))
            await crowd.settle()
            await crowd.last_words()
            verdict = crowd.judge()
        finally:
            await crowd.close()
    assert not verdict.wrong, f"seed {SEED}: {verdict}\n{cluster.complaints()}"
    assert (verdict.sessions, verdict.disconnections) == (0, 0), verdict


def summary(verdict: Verdict) -> str:
    """What the books say of all of it."""
    wrong = ", ".join(f"{verdict.wrong[what]} {what}" for what in ("lost", "duplicate", "reordered"))
    return (
        f"{verdict.acknowledged} messages acknowledged, {verdict.deliveries} deliveries: {wrong}, "
        f"{verdict.wrong['missed']} gaps told, {verdict.sessions} sessions begun anew, "
        f"{verdict.unknown} publishes of unknown outcome"
    )


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.02)

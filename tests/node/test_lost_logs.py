"""A shared log that is away, was lost, or no longer keeps what is asked for."""

from __future__ import annotations

import asyncio

from hubbub.delivery.retention import Retention
from hubbub.testing.loop import virtual
from tests.node.peers import Peer
from tests.node.tap import Tap, appended, begin, begin_two
from tests.waiting import until


@virtual
async def test_a_log_begun_anew_is_told_as_a_gap() -> None:
    log = Tap()
    ann, bob = await begin_two(log)
    for number in ("1", "2", "3"):
        await appended(log, number)
    await until(lambda: len(bob.texts()) == 3)
    log.wipe()
    await appended(log, "4")
    for peer in (ann, bob):
        (gap,) = await peer.hear("gap")
        assert (gap.channel, gap.payload.reason) == ("room:den", "epoch")
        await until(lambda: len(peer.texts()) == 4)  # noqa: B023
        assert peer.texts()[-1] == (1, "4")
        assert gap.payload.epoch == (await log.head("room:den")).epoch


@virtual
async def test_a_late_record_of_the_lost_log_changes_nothing() -> None:
    log = Tap()
    ann, bob = await begin_two(log)
    await appended(log, "1")
    old = await log.read("room:den", limit=10)
    log.wipe()
    await appended(log, "2")
    await bob.hear("gap")
    for sink in log.sinks("room:den"):
        sink.arrived("room:den", old.epoch, [(2, old.entries[0][1])])
    await appended(log, "3")
    await until(lambda: len(bob.texts()) == 3)
    assert [content for _, content in bob.texts()] == ["1", "2", "3"]
    assert len(bob.got("gap")) == len(ann.got("gap")) == 1


@virtual
async def test_what_retention_took_meanwhile_is_told_as_a_gap() -> None:
    log = Tap(Retention(messages=2))
    ann, bob = await begin_two(log)
    await appended(log, "1")
    await until(lambda: len(bob.texts()) == 1)
    log.is_deaf = True
    for number in ("2", "3", "4"):
        await appended(log, number)
    log.is_deaf = False
    await appended(log, "5")
    for peer in (ann, bob):
        (gap,) = await peer.hear("gap")
        assert (gap.payload.start, gap.payload.to, gap.payload.reason) == (2, 3, "retention")
        await until(lambda: len(peer.texts()) == 3)  # noqa: B023
        assert peer.texts() == [(1, "1"), (4, "4"), (5, "5")]


@virtual
async def test_while_the_log_is_away_publishers_are_told_and_readers_stay() -> None:
    log = Tap()
    ann, bob = await begin_two(log)
    log.is_away = True
    ann.text("room:den", "lost")
    (refused,) = await ann.hear("error")
    assert refused.code == "unavailable"
    for sink in log.sinks("room:den"):
        sink.interrupted("room:den")
    await asyncio.sleep(30)
    log.is_away = False
    log.is_deaf = True
    await appended(log, "1")
    await until(lambda: ann.texts() == bob.texts() == [(1, "1")], 10)
    assert len(bob.app.hub.connections) == 1


@virtual
async def test_a_room_cannot_be_joined_while_the_log_is_away_but_later() -> None:
    log = Tap()
    peer = Peer(await begin(log, "a"), "ann")
    await peer.begin()
    log.is_away = True
    peer.say("command", channel="room:den", payload={"action": "join"})
    (refused,) = await peer.hear("error")
    assert (refused.code, refused.payload.retry_after_ms) == ("unavailable", 1000)
    log.is_away = False
    peer.say("command", channel="room:den", payload={"action": "join"})
    await peer.hear("ack")


@virtual
async def test_a_listener_waits_for_a_log_that_is_away() -> None:
    log = Tap()
    here, there = await begin(log, "a"), await begin(log, "b")
    log.is_away = True
    told: list[str] = []
    stop = here.listen("topic:news", lambda message: told.append(message.payload.content))
    await asyncio.sleep(3)
    log.is_away = False
    await asyncio.sleep(2)
    await there.publish("topic:news", "1")
    await until(lambda: told == ["1"])
    stop()
    await there.publish("topic:news", "2")
    await asyncio.sleep(1)
    assert told == ["1"]

"""Following a shared log: every record once, in order, whatever the subscription does."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest
from msgspec.structs import replace

import hubbub
from hubbub.node.following import LINGER, SILENCE
from hubbub.ports import Append, Page
from hubbub.testing.loop import virtual
from tests.node.peers import Peer
from tests.node.tap import Tap, appended, begin, begin_two
from tests.waiting import until


@virtual
async def test_each_gets_everything_once_and_in_one_order() -> None:
    log = Tap()
    ann, bob = await begin_two(log)
    for number in range(20):
        ann.text("room:den", f"ann {number}")
        bob.text("room:den", f"bob {number}")
        await asyncio.sleep(random.Random(number).random() * 0.01)
    await until(lambda: len(ann.texts()) == len(bob.texts()) == 40)
    assert ann.texts() == bob.texts()
    assert [offset for offset, _ in ann.texts()] == list(range(1, 41))
    assert len([ack for ack in ann.got("ack") if ack.offset]) == 20


@virtual
async def test_ones_own_waits_for_nothing_but_the_append() -> None:
    log = Tap()
    ann, bob = await begin_two(log)
    log.is_deaf = True
    ann.text("room:den", "mine")
    await until(lambda: ann.texts() == [(1, "mine")], 0.1)
    assert bob.texts() == []
    log.is_deaf = False
    ann.text("room:den", "next")
    await until(lambda: len(bob.texts()) == 2)
    assert bob.texts() == ann.texts() == [(1, "mine"), (2, "next")]


@virtual
async def test_ones_own_is_not_decoded_again() -> None:
    log = Tap()
    ann, bob = await begin_two(log)
    ann.text("room:den", "1")
    await until(lambda: len(bob.texts()) == 1)
    own, other = (app.hub.watch.traffic for app in (ann.app, bob.app))
    assert (own.messages_in, own.messages_out) == (0, 1)
    assert (other.messages_in, other.messages_out) == (1, 0)
    assert other.bytes_in == own.bytes_out > 0


@virtual
async def test_what_was_skipped_is_read_before_what_follows() -> None:
    log = Tap()
    ann, bob = await begin_two(log)
    log.is_deaf = True
    await appended(log, "1")
    await appended(log, "2")
    log.is_deaf = False
    await appended(log, "3")
    await until(lambda: len(bob.texts()) == 3)
    assert bob.texts() == ann.texts() == [(1, "1"), (2, "2"), (3, "3")]


@virtual
async def test_what_was_skipped_at_the_end_is_found_after_a_silence() -> None:
    log = Tap()
    _, bob = await begin_two(log)
    log.is_deaf = True
    await appended(log, "1")
    await asyncio.sleep(SILENCE / 2)
    assert bob.texts() == []
    await until(lambda: bob.texts() == [(1, "1")], SILENCE + 2)


@virtual
async def test_after_an_interruption_the_log_is_read() -> None:
    log = Tap()
    _, bob = await begin_two(log)
    log.is_deaf = True
    await appended(log, "1")
    for sink in log.sinks("room:den"):
        sink.interrupted("room:den")
    await until(lambda: bob.texts() == [(1, "1")], 0.1)


@virtual
async def test_what_comes_twice_is_handed_on_once() -> None:
    log = Tap()
    ann, bob = await begin_two(log)
    ann.text("room:den", "1")
    await until(lambda: len(bob.texts()) == 1)
    page = await log.read("room:den", limit=10)
    for sink in log.sinks("room:den"):
        sink.arrived("room:den", page.epoch, page.entries)
    ann.text("room:den", "2")
    await until(lambda: len(bob.texts()) > 1)
    assert bob.texts() == ann.texts() == [(1, "1"), (2, "2")]


@virtual
async def test_a_log_is_let_go_of_when_nobody_came_back_to_it() -> None:
    log = Tap()
    peer = Peer(await begin(log, "a"), "ann")
    await peer.begin("den")
    for _ in range(3):
        peer.say("command", channel="room:den", payload={"action": "leave"})
        await asyncio.sleep(LINGER / 2)
        peer.say("command", channel="room:den", payload={"action": "join"})
        await asyncio.sleep(LINGER / 2)
    assert log.follows.count("room:den") == 1
    await appended(log, "1")
    await until(lambda: peer.texts() == [(1, "1")])
    peer.say("command", channel="room:den", payload={"action": "leave"})
    await asyncio.sleep(LINGER + 2)
    assert log.unfollows == ["room:den"]
    assert log.sinks("room:den") == []


@virtual
async def test_an_inbox_is_followed_from_the_sessions_beginning() -> None:
    log = Tap()
    ann, bob = await begin_two(log)
    ann.text("user:bob", "hello")
    await until(lambda: bob.texts() == [(1, "hello")])
    ann.text("user:bob", "again")
    await until(lambda: bob.texts() == [(1, "hello"), (2, "again")])
    assert ann.texts() == []


@virtual
async def test_everyone_and_groups_on_all_nodes() -> None:
    log = Tap()
    ann, bob = await begin_two(log)
    for app in (ann.app, bob.app):
        app.groups.create("staff", rule=lambda user: user.name == "bob")
    await ann.app.broadcast("to all")
    await ann.app.broadcast("to staff", groups=["staff"])
    await until(lambda: len(bob.texts()) == 2)
    assert [content for _, content in bob.texts()] == ["to all", "to staff"]
    assert [content for _, content in ann.texts()] == ["to all"]


@virtual
async def test_the_applications_own_subscriptions_see_other_nodes_messages() -> None:
    log = Tap()
    here, there = await begin(log, "a"), await begin(log, "b")
    heard: list[str] = []
    batches: list[str] = []

    async def read() -> None:
        async for message in here.subscribe("topic:news.*"):
            heard.append(message.payload.content)

    loop = asyncio.get_running_loop()
    third = hubbub.Hubbub(anonymous=True, node="c", log=log, clock=loop.time)

    @third.batch("topic:news.*", size=2, wait=0.01)
    def process(messages: list[Any]) -> None:
        batches.extend(message.payload.content for message in messages)

    await third.start(listen=False)
    told: list[str] = []
    here.listen("topic:news.a", lambda message: told.append(message.payload.content))
    task = loop.create_task(read())
    await asyncio.sleep(0.1)
    for number in range(5):
        await there.publish("topic:news.a", str(number))
    await until(lambda: len(heard) == len(batches) == 5)
    assert heard == batches == told == ["0", "1", "2", "3", "4"]
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@virtual
async def test_a_record_that_nobody_can_read_holds_nothing_up() -> None:
    log = Tap()
    ann, bob = await begin_two(log)
    await log.append([Append("room:den", b"no json")])
    await log.append([Append("room:den", b"")])
    await appended(log, "3")
    await until(lambda: ann.texts() == bob.texts() == [(3, "3")])


class Holey(Tap):
    """Its offsets have holes, and its head is where nothing of it stands: as a Kafka partition with other logs."""

    dense = False
    beyond = 0

    async def read(self, log: str, **query: Any) -> Page:
        page = await super().read(log, **query)
        return replace(page, head=page.head + self.beyond) if page.complete else page


@virtual
async def test_a_position_that_another_node_told_where_nothing_stands() -> None:
    """A reader that is ahead of its feed waits for it, and does not read on and on."""
    log = Holey()
    ann, bob = await begin_two(log)
    ann.text("room:den", "1")
    await until(lambda: len(bob.texts()) == 1)
    log.beyond = 30
    await asyncio.sleep(SILENCE * 3)
    cy = await Peer(bob.app, "cy").begin()
    epoch = (await log.head("room:den")).epoch
    position = {"epoch": epoch, "offset": 25}
    joined = await cy.command("join", "den", position=position)
    assert (joined.payload.recovered, joined.payload.offset) == (True, 25)
    before = log.reads
    await asyncio.sleep(1)
    assert log.reads - before < 20
    log.records.append([Append("room:den", b"x") for _ in range(30)])
    log.beyond = 0
    await appended(log, "32")
    await until(lambda: cy.texts()[-1:] == [(32, "32")])


@pytest.mark.parametrize("seed", range(30))
def test_whatever_the_subscription_does_all_is_there_once_and_in_order(seed: int) -> None:
    """Deliveries come late, twice or never, the server goes away and comes back, and people come and go."""

    @virtual
    async def play() -> None:
        from hubbub.testing.backend import Line, LineLog

        rng = random.Random(seed)
        shared = Tap()
        logs, peers = [], []
        for name in ("a", "b", "c"):
            line = LineLog(Line(rng, delay=0.005), shared, rng)
            logs.append(line)
            peer = Peer(await begin(line, name), f"u{name}")  # type: ignore[arg-type]
            peers.append(peer)
            await peer.begin("den")
        for log in logs:
            log.late, log.twice, log.skipped = rng.choice((0.0, 0.05)), rng.choice((0.0, 0.3)), rng.choice((0.0, 0.2))
        for number in range(60):
            rng.choice(peers).text("room:den", str(number))
            await asyncio.sleep(rng.random() * 0.03)
            if rng.random() < 0.05:
                log = rng.choice(logs)
                log.cut()
                await asyncio.sleep(rng.random())
                log.mend(is_silent=rng.random() < 0.3)
        for log in logs:
            log.late = log.twice = log.skipped = 0.0
        await asyncio.sleep(SILENCE * 4)
        page = await shared.read("room:den", limit=1000)
        wanted = [offset for offset, _ in page.entries]
        for peer in peers:
            assert [offset for offset, _ in peer.texts()] == wanted
        assert len(wanted) >= 30

    play()

"""Documents that several nodes serve, on virtual time: one owner each, and what becomes of it when that one dies."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from hubbub import ProtocolError, TryLater
from hubbub.collab import Document
from hubbub.collab.authors import OWNER
from hubbub.collab.changes import ChangeSet
from hubbub.collab.live import Submission
from hubbub.testing.loop import virtual
from tests.collab.nodes import Scene, rest
from tests.collab.world import until


@virtual
async def test_clients_of_two_nodes_edit_one_document() -> None:
    scene = await Scene().start("n1", "n2")
    ann, bob = await scene.open("ann", "n1"), await scene.open("bob", "n2")
    ann.insert(0, "one ")
    await rest(ann, bob)
    assert scene.owner() == "n1"
    began = asyncio.get_running_loop().time()
    bob.insert(4, "two")
    await rest(ann, bob)
    assert asyncio.get_running_loop().time() - began < 1, "it went to the owner at once"
    for number in range(20):
        (ann, bob)[number % 2].insert(0, f"{number} ")
    await rest(ann, bob)
    assert ann.text.endswith("one two")
    assert [record.client_id for record in scene.records()].count(OWNER) == 1, "nobody else wrote"
    scene.judge(ann, bob)
    assert await scene.documents["n2"].text("d") == ann.text
    assert all(edit.client_id != OWNER for edit in await scene.documents["n2"].edits("d"))


@virtual
async def test_the_owner_dies_while_people_type() -> None:
    scene = await Scene(1).start("n1", "n2", "n3")
    ann, bob, cid = await scene.open("ann", "n1", "n2"), await scene.open("bob", "n2"), await scene.open("cid", "n3")
    ann.insert(0, "a")
    await rest(ann, bob, cid)
    assert scene.owner() == "n1"
    for number in range(10):
        bob.insert(0, f"b{number}")
        cid.insert(0, f"c{number}")
        ann.insert(0, f"a{number}")
        await asyncio.sleep(0.003)
    scene.cluster.nodes["n1"].crash()
    began = asyncio.get_running_loop().time()
    await rest(ann, bob, cid)
    assert asyncio.get_running_loop().time() - began < 10
    assert scene.owner() in ("n2", "n3")
    scene.judge(ann, bob, cid)
    for number in range(10):
        assert all(f"{letter}{number}" in ann.text for letter in "abc")


@virtual
async def test_nobody_waits_for_an_owner_that_was_silent_for_long() -> None:
    """Be it dead or only idle: its lease is over."""
    scene = await Scene(15).start("n1", "n2")
    ann, bob = await scene.open("ann", "n1", "n2"), await scene.open("bob", "n2")
    ann.insert(0, "a")
    await rest(ann, bob)
    scene.cluster.nodes["n1"].crash()
    await asyncio.sleep(10)
    began = asyncio.get_running_loop().time()
    bob.insert(0, "b")
    await bob.saved()
    assert asyncio.get_running_loop().time() - began < 0.5
    assert scene.owner() == "n2"


@virtual
async def test_an_owner_that_stops_hands_over() -> None:
    scene = await Scene(2).start("n1", "n2")
    ann, bob = await scene.open("ann", "n1", "n2"), await scene.open("bob", "n2")
    ann.insert(0, "a")
    await rest(ann, bob)
    assert scene.owner() == "n1"
    await scene.cluster.nodes["n1"].stop()
    assert scene.owner() == "", "nobody has it"
    began = asyncio.get_running_loop().time()
    bob.insert(0, "b")
    await bob.saved()
    assert asyncio.get_running_loop().time() - began < 0.5, "nobody waits for a lease"
    assert scene.owner() == "n2"


@virtual
async def test_an_owner_that_stops_does_not_wait_for_others_to_be_silent() -> None:
    scene = await Scene(14).start("n1", "n2", lease_seconds=60.0)
    ann = await scene.open("ann", "n1", "n2")
    ann.insert(0, "a")
    await ann.saved()
    others = [await scene.open(f"bob{number}", "n2") for number in range(4)]
    slow = scene.cluster.nodes["n1"].log
    append = slow.append

    async def append_slowly(batch: Any) -> Any:
        await asyncio.sleep(0.2)
        return await append(batch)

    slow.append = append_slowly  # type: ignore[method-assign]

    async def type_on(document: Document) -> None:
        while True:
            document.insert(0, "b")
            await asyncio.sleep(0.05)

    typing = [asyncio.ensure_future(type_on(one)) for one in others]
    await asyncio.sleep(1)
    began = asyncio.get_running_loop().time()
    await scene.cluster.nodes["n1"].stop()
    assert asyncio.get_running_loop().time() - began < 5, "there is always something on its way"
    await until(lambda: scene.owner() == "n2", 3)
    for task in typing:
        task.cancel()
    await rest(ann, *others)
    scene.judge(ann, *others)


@virtual
async def test_an_owner_that_is_cut_off_is_followed_and_comes_back() -> None:
    scene = await Scene(3).start("n1", "n2")
    ann, bob = await scene.open("ann", "n1"), await scene.open("bob", "n2")
    ann.insert(0, "a")
    await rest(ann, bob)
    scene.cluster.nodes["n1"].cut_off()
    ann.insert(0, "x")
    bob.insert(1, "y")
    await until(lambda: bob.status.phase == "saved")
    assert scene.owner() == "n2"
    assert ann.status.pending
    scene.cluster.nodes["n1"].mend()
    await rest(ann, bob)
    assert ann.text == "xay"
    assert scene.owner() == "n2"
    scene.judge(ann, bob)


@virtual
async def test_without_any_owner_to_be_had_it_is_said_so() -> None:
    """What cannot be forwarded, nor be owned here, is refused after a while, and sent again by its author."""
    scene = await Scene(4).start("n1", "n2")
    ann, bob = await scene.open("ann", "n1"), await scene.open("bob", "n2")
    ann.insert(0, "a")
    await rest(ann, bob)
    refused: list[str] = []
    take = bob._refused

    def hear(error: ProtocolError) -> None:
        refused.append(error.code)
        take(error)

    bob._refused = hear  # type: ignore[method-assign]
    scene.cluster.nodes["n2"].cut_off()
    bob.insert(0, "b")
    await until(lambda: bool(refused))
    assert set(refused) == {"unavailable"}
    scene.cluster.nodes["n2"].mend()
    await rest(ann, bob)
    scene.judge(ann, bob)


@virtual
async def test_a_sleeper_cannot_write() -> None:
    """An owner that still believes in its lease, and has an append on its way, when another one has taken over."""
    scene = await Scene(5).start("n1", "n2")
    ann, bob = await scene.open("ann", "n1"), await scene.open("bob", "n2")
    ann.insert(0, "a")
    await rest(ann, bob)
    shared = scene.documents["n1"]._authority._sharing
    assert shared is not None
    tenure = shared._by_id["d"].tenure
    tenure._until = 1e12
    scene.cluster.backend.registry.release(tenure._lease)  # type: ignore[arg-type]
    other = scene.documents["n2"]._authority._sharing
    assert other is not None
    # Nobody has told n1 yet of the claim, which is in the log, when it appends.
    scene.cluster.nodes["n1"].log.skipped = 1.0
    await other._by_id["d"].tenure.take()
    assert scene.owner() == "n2"
    assert tenure.is_held, "it believes so"
    before = len(scene.records())
    conflicts = 0
    append = scene.cluster.nodes["n1"].log.append

    async def count(batch: Any) -> Any:
        nonlocal conflicts
        results = await append(batch)
        conflicts += sum(getattr(result, "code", "") == "conflict" for result in results)
        return results

    scene.cluster.nodes["n1"].log.append = count  # type: ignore[method-assign]
    ann.insert(1, "b")
    await until(lambda: conflicts > 0)
    assert len(scene.records()) == before, "nothing of it is in the log"
    scene.cluster.nodes["n1"].log.skipped = 0.0
    await rest(ann, bob)
    assert tenure._until == 0.0, "it knows better"
    assert scene.owner() == "n2"
    assert ann.text == "ab"
    scene.judge(ann, bob)


@virtual
async def test_mail_that_is_lost_costs_a_second() -> None:
    scene = await Scene(6).start("n1", "n2")
    ann, bob = await scene.open("ann", "n1"), await scene.open("bob", "n2")
    ann.insert(0, "a")
    await rest(ann, bob)
    exchange = scene.cluster.backend.exchange
    deliver, lost = exchange.deliver, []
    exchange.deliver = lambda topic, message: lost.append(topic)  # type: ignore[method-assign]
    bob.insert(0, "b")
    await until(lambda: any(topic.startswith("documents@") for topic in lost))
    exchange.deliver = deliver  # type: ignore[method-assign]
    began = asyncio.get_running_loop().time()
    await rest(ann, bob)
    assert asyncio.get_running_loop().time() - began < 3
    assert scene.owner() == "n1"
    scene.judge(ann, bob)


@virtual
async def test_what_only_the_owner_can_refuse_its_author_hears() -> None:
    scene = await Scene(7).start("n1", "n2", max_units=100)
    ann, bob = await scene.open("ann", "n1"), await scene.open("bob", "n2")
    ann.insert(0, "a" * 90)
    await rest(ann, bob)
    rejected: list[Any] = []
    bob.on("rejected", rejected.append)
    bob.insert(0, "b" * 20)
    await until(lambda: bool(rejected))
    assert rejected[0].error.code == "too_large"
    await rest(ann, bob)
    assert bob.text == "a" * 90


@virtual
async def test_who_comes_to_a_node_that_is_behind_gets_what_was_acknowledged_elsewhere() -> None:
    scene = await Scene(12).start("n1", "n2")
    ann, _ = await scene.open("ann", "n1"), await scene.open("bob", "n2")
    scene.cluster.nodes["n2"].log.skipped = 1.0
    ann.insert(0, "hello")
    await ann.saved()
    cid = await scene.open("cid", "n2")
    assert cid.text == "hello"


@virtual
async def test_an_owner_that_is_behind_says_later_and_not_never() -> None:
    """What another node's author built on is in the log: it is the owner that does not know it yet."""
    scene = await Scene(13).start("n1")
    ann = await scene.open("ann", "n1")
    ann.insert(0, "a")
    await ann.saved()
    live = scene.live("n1")
    submission = Submission(
        changes=ChangeSet.replace(5, 0, 0, "x"), revision=live.durable + 1, client_id="0b", seq=1, user="b"
    )
    with pytest.raises(TryLater):
        live.check_forwarded(submission)

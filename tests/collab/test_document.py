"""The client's document, over a network that fails, on virtual time."""

from __future__ import annotations

import asyncio

import pytest

import hubbub
from hubbub.collab import Document, Rejected, Status, open_document
from hubbub.testing.loop import virtual
from tests.collab.world import DocumentWorld, until


async def settle(*documents: Document) -> None:
    """All edits are saved, and everyone has them."""
    async with asyncio.timeout(300):
        for document in documents:
            await document.saved()
        while len({(one.revision, one.text) for one in documents}) > 1:
            await asyncio.sleep(0.05)


@virtual
async def test_two_people_come_to_the_same_text() -> None:
    world = DocumentWorld()
    await world.begin()
    ann, bob = await world.open("ann"), await world.open("bob")
    ann.insert(0, "Hello world")
    await settle(ann, bob)
    ann.insert(5, ", dear")
    bob.replace(6, 11, "World 🙂\r\nand all")
    bob.insert(len(bob.text), "!")
    await settle(ann, bob)
    assert ann.text == bob.text == "Hello, dear World 🙂\nand all!" == await world.documents.text("d")
    bob.delete(bob.text.index("🙂"), bob.text.index("🙂") + 1)
    await settle(ann, bob)
    assert ann.text == "Hello, dear World \nand all!"
    with pytest.raises(ValueError):
        ann.insert(99, "x")
    ann.insert(18, "🙂")
    with pytest.raises(ValueError, match="surrogate"):
        ann.splice(19, 0, "x")


@virtual
async def test_edits_made_offline_wait_for_the_connection() -> None:
    world = DocumentWorld()
    await world.begin()
    ann, bob = await world.open("ann"), await world.open("bob")
    ann.insert(0, "one line")
    await settle(ann, bob)
    heard: list[Status] = []
    ann.on("status", heard.append)
    world.refuse(20)
    world.cut("ann")
    await until(lambda: ann.status.phase == "offline")
    ann.insert(0, "my ")
    ann.insert(0, "in ")
    bob.replace(0, 3, "that")
    assert ann.status == Status("offline", 2)
    await settle(ann, bob)
    assert ann.text == "in my that line"
    phases = [status.phase for status in heard]
    assert phases[0] == "offline"
    assert phases[-1] == "saved"
    assert "saving" in phases


@virtual
async def test_an_operation_in_flight_when_the_connection_ends_counts_once() -> None:
    """Whatever became of it: not arrived, arrived, acknowledged in vain."""
    for moment in range(12):
        world = DocumentWorld(moment)
        await world.begin()
        ann, bob = await world.open("ann"), await world.open("bob")
        ann.insert(0, "abc")
        await asyncio.sleep(moment * 0.004)
        world.cut("ann")
        ann.insert(3, "def")
        bob.insert(0, "<")
        await settle(ann, bob)
        assert sorted(ann.text) == sorted("<abcdef"), moment
        assert "abcdef" in ann.text


@virtual
async def test_a_lost_session_is_the_same_author() -> None:
    world = DocumentWorld()
    await world.begin()
    ann, bob = await world.open("ann"), await world.open("bob")
    ann.insert(0, "x")
    await settle(ann, bob)
    id = ann.client_id
    ann.insert(1, "y")
    world.refuse(5)
    world.cut("ann")
    world._stores[1]._records.clear() if hasattr(world._stores[1], "_records") else None
    await world.fail(downtime=4000)
    await settle(ann, bob)
    assert (ann.client_id, ann.text) == (id, "xy")


@virtual
async def test_a_crash_loses_nothing_that_was_acknowledged_and_nothing_is_there_twice() -> None:
    world = DocumentWorld(snapshot_operations=3)
    await world.begin()
    ann, bob = await world.open("ann"), await world.open("bob")
    for number in range(30):
        ann.insert(len(ann.text), f"a{number};")
        bob.insert(0, f"b{number};")
        await asyncio.sleep(0.013 * (number % 5))
        if number % 7 == 3:
            await world.fail(downtime=number / 10)
    await settle(ann, bob)
    assert sorted(ann.text.split(";")) == sorted(["", *(f"{who}{n}" for n in range(30) for who in "ab")])
    assert await world.documents.text("d") == ann.text


@virtual
async def test_a_log_begun_anew_is_merged_openly() -> None:
    world = DocumentWorld(snapshot_seconds=1)
    await world.begin()
    ann, bob = await world.open("ann"), await world.open("bob")
    ann.insert(0, "The first line\nThe second line\n")
    await settle(ann, bob)
    await asyncio.sleep(5)
    merged: list[str] = []
    ann.on("merged", merged.append)
    world.refuse(30)
    world.cut("ann")
    await until(lambda: ann.status.phase == "offline")
    ann.insert(4, "very ")
    bob.replace(19, 25, "last")
    await bob.saved()
    await asyncio.sleep(5)
    log = world._stores[0]
    log._rings.clear()
    log._epoch = "anew"
    await world.fail(downtime=1)
    await settle(ann, bob)
    assert ann.text == "The very first line\nThe last line\n"
    assert merged == [ann.text]


@virtual
async def test_a_disk_that_fails_for_a_while_is_waited_for() -> None:
    world = DocumentWorld()
    await world.begin()
    ann, bob = await world.open("ann"), await world.open("bob")
    world.disk.refuses = True
    ann.insert(0, "patience")
    await asyncio.sleep(5)
    assert bob.text == ""
    assert ann.status == Status("saving", 1)
    world.disk.refuses = False
    await settle(ann, bob)
    assert bob.text == "patience"


@virtual
async def test_undo_takes_back_only_ones_own() -> None:
    world = DocumentWorld()
    await world.begin()
    ann, bob = await world.open("ann"), await world.open("bob")
    ann.insert(0, "one ")
    await settle(ann, bob)
    bob.insert(4, "two ")
    await settle(ann, bob)
    ann.insert(8, "three ")
    await settle(ann, bob)
    bob.insert(0, "zero ")
    await settle(ann, bob)
    assert ann.text == "zero one two three "
    assert [ann.undo(), ann.text] == [True, "zero one two "]
    bob.replace(5, 7, "ON")
    await settle(ann, bob)
    assert [ann.undo(), ann.text] == [True, "zero ONtwo "]
    assert not ann.undo()
    assert [ann.redo(), ann.text] == [True, "zero ONe two "]
    assert ann.redo()
    assert not ann.redo()
    await settle(ann, bob)
    assert bob.text == "zero ONe two three "
    assert [bob.undo(), bob.undo(), bob.text] == [True, True, "one two three "]


@virtual
async def test_a_large_paste_goes_in_parts() -> None:
    world = DocumentWorld()
    await world.begin()
    ann, bob = await world.open("ann"), await world.open("bob")
    text = "".join(f"{number} 🙂\n" for number in range(12_000))
    ann.insert(0, text)
    await settle(ann, bob)
    assert bob.text == text
    assert ann.revision > 5


@virtual
async def test_what_the_server_will_never_take_is_kept_aside() -> None:
    world = DocumentWorld(max_units=10)
    await world.begin()
    ann, bob = await world.open("ann"), await world.open("bob")
    ann.insert(0, "12345")
    await settle(ann, bob)
    aside: list[Rejected] = []
    ann.on("rejected", aside.append)
    ann.insert(5, "6789012")
    await until(lambda: bool(aside))
    assert (ann.text, aside[0].error.code) == ("12345", "too_large")
    assert aside[0].changes.to_json() == [5, [0, "6789012"]]
    ann.insert(5, "6")
    await settle(ann, bob)
    assert bob.text == "123456"


@virtual
async def test_cursors_with_names_and_colours() -> None:
    world = DocumentWorld()
    await world.begin()
    ann = await world.open("ann")
    bob = Document(await world.connect("bob"), "d", name="Bob", colour="#0a0")
    await bob.opened()
    ann.insert(0, "0123456789")
    await settle(ann, bob)
    bob.point(2, 5)
    await until(lambda: bool(ann.pointers))
    (pointer,) = ann.pointers.values()
    assert (pointer.user, pointer.name, pointer.colour, pointer.anchor, pointer.head) == ("bob", "Bob", "#0a0", 2, 5)
    ann.insert(0, "ab")
    assert [(one.anchor, one.head) for one in ann.pointers.values()] == [(4, 7)]
    await settle(ann, bob)
    await asyncio.sleep(1)
    assert [(one.anchor, one.head) for one in ann.pointers.values()] == [(4, 7)]
    bob.insert(bob.text.index("5"), "xyz")
    await settle(ann, bob)
    await asyncio.sleep(1)
    assert [(one.anchor, one.head) for one in ann.pointers.values()] == [(4, 10)], "it is behind what its author wrote"
    await bob.close()
    await until(lambda: not ann.pointers)


@virtual
async def test_a_viewer_that_does_not_read_catches_up() -> None:
    world = DocumentWorld()
    await world.begin()
    ann, bob = await world.open("ann"), await world.open("bob")
    world.stall("bob", 60)
    for number in range(300):
        ann.insert(0, f"{number:03} and more than that {'x' * 400}\n")
        await ann.saved()
    await settle(ann, bob)


@virtual
async def test_a_document_is_opened_for_a_block() -> None:
    world = DocumentWorld()
    await world.begin()
    client = await world.connect("ann")
    async with open_document(client, "d") as document:
        document.insert(0, "within")
    assert await world.documents.text("d") == "within"
    assert document.status.phase == "closed"
    with pytest.raises(hubbub.HubbubError):
        document.insert(0, "x")
    world.app.settings  # noqa: B018
    with pytest.raises(hubbub.BadMessage):
        async with open_document(client, "x" * 300):
            pass


@virtual
async def test_idle_documents_leave_memory() -> None:
    world = DocumentWorld(idle_seconds=10)
    await world.begin()
    ann = await world.open("ann")
    ann.insert(0, "kept")
    await ann.saved()
    authority = world.documents._authority
    await asyncio.sleep(100)
    assert len(authority) == 1, "somebody has it open"
    await ann.close()
    await asyncio.sleep(20)
    assert (len(authority), world.documents._audiences) == (0, {})
    bob = await world.open("bob")
    assert bob.text == "kept"


@virtual
async def test_both_codecs_and_the_history() -> None:
    world = DocumentWorld()
    await world.begin()
    ann, bob = await world.open("ann", codec="protobuf"), await world.open("bob")
    ann.insert(0, "One 🙂\nline")
    await settle(ann, bob)
    bob.replace(0, 3, "1")
    bob.point(0, 1)
    await settle(ann, bob)
    await until(lambda: bool(ann.pointers))
    assert ann.text == bob.text == "1 🙂\nline"
    for one in (ann, bob):
        found = await one._client.history("doc:d")
        assert [(message.offset, message.sender) for message in found] == [(1, "ann"), (2, "bob")]
        assert found[1].payload.operations[0].operation == [[3, "1"], 8]

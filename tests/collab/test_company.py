"""Who is where, over several nodes: cursors are seen on each, and an author is at one."""

from __future__ import annotations

import asyncio

from hubbub.collab import Document
from hubbub.testing.loop import virtual
from tests.collab.nodes import Scene, rest
from tests.collab.world import until


@virtual
async def test_cursors_are_seen_on_every_node() -> None:
    scene = await Scene(8).start("n1", "n2", "n3")
    ann, bob = await scene.open("ann", "n1"), await scene.open("bob", "n2")
    ann.insert(0, "one two")
    await rest(ann, bob)
    ann.point(3)
    bob.point(7, 4)
    await until(lambda: ann.client_id in bob.pointers and bob.client_id in ann.pointers, 5)
    assert (bob.pointers[ann.client_id].name or bob.pointers[ann.client_id].user) == "ann"
    assert (ann.pointers[bob.client_id].anchor, ann.pointers[bob.client_id].head) == (7, 4)
    bob.insert(0, "zero ")
    await until(lambda: bob.pointers[ann.client_id].head == 8 and ann.pointers[bob.client_id].head == 9, 5)
    cid = await scene.open("cid", "n3")
    await until(lambda: set(cid.pointers) == {ann.client_id, bob.client_id}, 2)
    scene.cluster.nodes["n1"].crash(silently=True)
    await until(lambda: ann.client_id not in bob.pointers, 60)
    assert bob.client_id in cid.pointers


@virtual
async def test_one_who_comes_later_to_another_node_is_shown_where_everybody_is() -> None:
    scene = await Scene(9).start("n1", "n2")
    ann = await scene.open("ann", "n1")
    ann.insert(0, "one two")
    ann.point(3)
    await ann.saved()
    await asyncio.sleep(1)
    bob = await scene.open("bob", "n2")
    await until(lambda: ann.client_id in bob.pointers, 2)
    assert bob.pointers[ann.client_id].head == 3


@virtual
async def test_an_author_is_at_one_node() -> None:
    """A page that was copied, with the other node: two who are one author would lose each other's edits."""
    scene = await Scene(10).start("n1", "n2")
    ann = await scene.open("ann", "n1")
    ann.insert(0, "a")
    await ann.saved()
    await asyncio.sleep(3)
    client = await scene.cluster.connect("ann", "n2")
    copy = Document(client, "d", author=ann.client_id)
    await copy.opened()
    await until(lambda: ann.client_id != copy.client_id, 5)
    ann.insert(0, "x")
    copy.insert(0, "y")
    await rest(ann, copy)
    assert sorted(ann.text) == ["a", "x", "y"]
    scene.judge(ann, copy)


@virtual
async def test_a_cursor_waits_for_the_text_that_it_is_in() -> None:
    scene = await Scene(11).start("n1", "n2")
    ann, bob = await scene.open("ann", "n1"), await scene.open("bob", "n2")
    scene.cluster.nodes["n2"].log.late = 0.6
    ann.insert(0, "hello")
    await ann.saved()
    ann.point(2)
    await until(lambda: ann.client_id in bob.pointers, 5)
    assert (bob.text, bob.pointers[ann.client_id].head) == ("hello", 2)


@virtual
async def test_people_who_are_moved_to_another_node_go_on_as_the_same_authors() -> None:
    scene = await Scene(16).start("n1", "n2")
    ann, bob = await scene.open("ann", "n1"), await scene.open("bob", "n2")
    author = ann.client_id
    ann.insert(0, "a")
    await rest(ann, bob)
    # Each node sees the other by now.
    await asyncio.sleep(5)
    typed = 0

    async def type_on() -> None:
        nonlocal typed
        while True:
            ann.insert(0, "x")
            typed += 1
            await asyncio.sleep(0.004)

    typing = asyncio.ensure_future(type_on())
    for number in range(6):
        # Also when it is not just that the author came: then it is put out where it was.
        await asyncio.sleep(0.0 if number < 3 else 3.0)
        here, there = ("n1", "n2") if number % 2 == 0 else ("n2", "n1")
        app = scene.cluster.app(here)
        (connection,) = [one.id for one in app.connections() if one.user == "ann"]
        await app.migrate(connection, there)
    typing.cancel()
    await rest(ann, bob)
    assert ann.client_id == author
    scene.judge(ann, bob)
    assert ann.text.count("x") == typed > 100

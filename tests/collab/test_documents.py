"""Documents over real sockets, said by hand: what docs/protocol.md section 7 promises."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

import hubbub
from hubbub import ConfigurationError, Conflict, Hubbub
from hubbub.backends.memory.log import MemoryLog
from hubbub.backends.memory.mailbox import MemoryExchange, MemoryMailbox
from hubbub.backends.memory.registry import MemoryRegistry
from hubbub.backends.memory.shared import SharedMemoryLog
from hubbub.backends.memory.snapshots import MemorySnapshots
from hubbub.collab import Documents
from hubbub.protocol.payloads import System
from tests.collab.rude import Rude, serving_documents
from tests.sockets import application, upgrade


@asynccontextmanager
async def documents(**given: Any) -> AsyncIterator[tuple[Hubbub, Documents]]:
    options = {name: given.pop(name) for name in list(given) if name not in ("log", "open_rooms")}
    app = Hubbub(anonymous=True, port=0, **given)
    kept = Documents(app, **options)
    async with serving_documents(app):
        yield app, kept


async def test_two_people_type_in_one_document(tmp_path: Path) -> None:
    async with documents(log=f"sqlite:///{tmp_path}/hub.db") as (app, kept):
        ann, bob = await Rude.connect(app, "ann"), await Rude.connect(app, "bob")
        joined = await ann.join()
        assert joined["channel"] == "doc:d"
        assert joined["payload"] == {"recovered": False, "epoch": joined["payload"]["epoch"], "offset": 0, "seq": 0}
        assert joined["init"]["document"] == {
            "content": "",
            "revision": 0,
            "epoch": joined["payload"]["epoch"],
            "transform": "codemirror-changeset/1",
        }
        ann.edit([[0, "Hello"]], 0, 1)
        assert await ann.operations() == [{"revision": 1, "clientId": joined["clientId"], "seq": 1}]
        his = await bob.join()
        assert his["init"]["document"]["content"] == "Hello"
        # Both at once, at one place: the smaller client id's comes first.
        ann.edit([5, [0, " A"]], 1, 2)
        bob.edit([5, [0, " B"]], 1, 1)
        first = "A" if joined["clientId"] < his["clientId"] else "B"
        heard = await ann.operations()
        while len(heard) < 2:
            heard += await ann.operations()
        assert {entry["revision"] for entry in heard} == {2, 3}
        mine, theirs = sorted(heard, key=lambda entry: entry["clientId"] != joined["clientId"])
        assert "operation" not in mine
        assert (theirs["user"], theirs["seq"]) == ("bob", 1)
        assert await kept.text("d") == f"Hello {first} {'B' if first == 'A' else 'A'}"
        ann.close()
        bob.close()


async def test_an_operation_sent_again_counts_once() -> None:
    async with documents() as (app, kept):
        ann = await Rude.connect(app)
        joined = await ann.join()
        entries = []
        for _ in range(2):
            ann.edit([[0, "x"]], 0, 1)
            entries += await ann.operations()
        again = await Rude.connect(app)
        back = await again.join(clientId=joined["clientId"])
        assert (back["clientId"], back["payload"]["seq"]) == (joined["clientId"], 1)
        assert await ann.next("unsubscribed"), "the newest connection of an author counts"
        again.edit([[0, "x"]], 0, 1)
        entries += await again.operations()
        assert entries == [{"revision": 1, "clientId": joined["clientId"], "seq": 1}] * 3
        again.edit([[0, "y"], 1], 1, 5)
        await again.operations()
        again.edit([[0, "x"]], 0, 1)
        assert await again.refusal() == ("invalid_message", "payload.seq")
        ann.edit([[0, "z"]], 0, 6)
        assert await ann.refusal() == ("not_joined", "channel")
        assert await kept.text("d") == "yx"


async def test_coming_back_where_one_was() -> None:
    async with documents() as (app, _):
        ann, bob = await Rude.connect(app), await Rude.connect(app, "bob")
        hers, his = await ann.join(), await bob.join()
        for number in range(1, 6):
            bob.edit([*([number - 1] if number > 1 else []), [0, str(number)]], number - 1, number)
            await bob.operations()
        ann.close()
        position = {"epoch": hers["payload"]["epoch"], "offset": 2}
        back = await Rude.connect(app)
        joined = await back.join(clientId=hers["clientId"], payload={"position": position})
        assert joined["payload"] == {"recovered": True, **position, "seq": 0}
        entries = await back.operations()
        assert [entry["operation"] for entry in entries] == [[2, [0, "3"]], [3, [0, "4"]], [4, [0, "5"]]]
        assert "init" not in [message["type"] for message in await back.quiet()]
        for wrong in ({"epoch": "other", "offset": 2}, {"epoch": position["epoch"], "offset": 6}):
            joined = await back.join(clientId=hers["clientId"], payload={"position": wrong})
            assert joined["init"]["document"]["content"] == "12345"
        bob.say("command", payload={"action": "leave"}, timestamp=1, sender="bob")
        await bob.next("ack")
        bob.edit([5, [0, "!"]], 5, 6)
        assert await bob.refusal() == ("not_joined", "channel")
        assert his["clientId"] != hers["clientId"]


BAD: dict[str, tuple[list[Any], int, int, tuple[str, str]]] = {
    "too long": ([6], 1, 2, ("invalid_message", "payload.operation")),
    "too short": ([[0, "x"]], 1, 2, ("invalid_message", "payload.operation")),
    "of another revision": ([5], 0, 2, ("invalid_message", "payload.operation")),
    "negative": ([-5], 1, 2, ("invalid_message", "payload.operation[0]")),
    "huge": ([2**53], 1, 2, ("invalid_message", "payload.operation[0]")),
    "nested": ([5, [[0]]], 1, 2, ("invalid_message", "payload.operation[1][0]")),
    "from the future": ([5], 2, 2, ("invalid_message", "payload.revision")),
    "inside a pair": ([2, [0, "x"], 3], 1, 2, ("invalid_message", "payload.operation")),
    "half a pair gone": ([1, [1], 3], 1, 2, ("invalid_message", "payload.operation")),
    "a break in a line": ([5, [0, "x\ny"]], 1, 2, ("invalid_message", "payload.operation[1]")),
    "seq 0": ([5], 1, 0, ("invalid_message", "payload.seq")),
    "too large": ([5, [0, "x" * 33_000]], 1, 2, ("too_large", "payload.operation")),
}


@pytest.mark.parametrize("name", BAD)
async def test_bad_operations_change_nothing(name: str) -> None:
    operation, revision, seq, expected = BAD[name]
    async with documents() as (app, kept):
        ann, bob = await Rude.connect(app), await Rude.connect(app, "bob")
        await ann.join()
        await bob.join()
        ann.edit([[0, "a🙂bc"]], 0, 1)
        await bob.operations()
        await ann.operations()
        id = ann.edit(operation, revision, seq)
        error = await ann.next("error")
        assert (error["code"], error["payload"]["field"], error["messageId"]) == (*expected, id)
        assert await kept.text("d") == "a🙂bc"
        assert await bob.quiet() == []
        ann.edit([5, [0, "!"]], 1, 2)
        assert (await bob.operations())[0]["operation"] == [5, [0, "!"]]


async def test_what_else_is_refused() -> None:
    async with documents(max_units=10) as (app, kept):
        ann, bob = await Rude.connect(app), await Rude.connect(app, "bob")
        ann.edit([], 0, 1)
        assert await ann.refusal() == ("not_joined", "channel")
        ann.say("cursor", payload={"cursor": None})
        assert await ann.refusal() == ("not_joined", "channel")
        ann.say("history")
        assert await ann.refusal() == ("not_joined", "channel")
        ann.say("join", documentId="other")
        assert await ann.refusal() == ("invalid_message", "documentId")
        ann.say("join", clientId="no id")
        assert await ann.refusal() == ("invalid_message", "clientId")
        hers = await ann.join()
        ann.edit([[0, "0123456789"]], 0, 1)
        await ann.operations()
        bob.say("join", clientId=hers["clientId"])
        assert await bob.refusal() == ("forbidden", "clientId")
        ann.edit([10, [0, "x"]], 1, 2)
        assert await ann.refusal() == ("too_large", "payload.operation")
        ann.edit([[1], 9, [0, "x"]], 1, 2)
        await ann.operations()
        assert await kept.text("d") == "123456789x"
        ann.edit([10], 2, 3, epoch="other")
        assert await ann.refusal() == ("not_found", "payload.revision")
        assert (await ann.next("joined"))["payload"]["seq"] == 2
        assert (await ann.next("init"))["payload"]["document"]["revision"] == 2
        ann.socket.send(application("text", "ann", "doc:d", {"content": "hello"}))
        assert await ann.refusal() == ("invalid_channel", "channel")
        ann.say("join", "x" * 300)
        assert await ann.refusal() == ("invalid_channel", "channel")


async def test_where_rooms_are_not_open_documents_are_made_by_the_application() -> None:
    async with documents(open_rooms=False) as (app, kept):
        ann = await Rude.connect(app)
        ann.say("join", "d")
        assert await ann.refusal() == ("not_found", "channel")
        await kept.create("d", "one\r\ntwo\rthree")
        with pytest.raises(Conflict, match="exists"):
            await kept.create("d")
        joined = await ann.join()
        assert joined["init"]["document"]["content"] == "one\ntwo\nthree"
        assert await kept.names() == ["d"]


async def test_permissions() -> None:
    app = Hubbub(anonymous=True, port=0)
    Documents(app)

    @app.authorize
    def may(user: hubbub.User, action: str, channel: str) -> bool | None:
        return user.name == "ann" or (action == "join" and channel == "doc:open")

    async with serving_documents(app):
        ann, bob = await Rude.connect(app), await Rude.connect(app, "bob")
        bob.say("join", "closed")
        assert await bob.refusal() == ("forbidden", "channel")
        await bob.join("open")
        await ann.join("open")
        bob.edit([[0, "x"]], 0, 1, "open")
        assert await bob.refusal() == ("forbidden", "channel")
        ann.edit([[0, "y"]], 0, 1, "open")
        assert (await bob.operations())[0]["operation"] == [[0, "y"]]
        bob.say("history", "open")
        assert await bob.refusal() == ("forbidden", "channel")


async def test_without_documents() -> None:
    app = Hubbub(anonymous=True, port=0)
    async with serving_documents(app):
        ann = await Rude.connect(app)
        for type, more in (("join", {}), ("operation", {"payload": {"operation": [], "revision": 0, "seq": 1}})):
            ann.say(type, **more)
            assert await ann.refusal() == ("not_found", "channel")
        ann.say("join", channel="room:a")
        assert await ann.refusal() == ("invalid_channel", "channel")


async def test_cursors_are_seen_by_the_others() -> None:
    async with documents() as (app, _):
        ann, bob = await Rude.connect(app), await Rude.connect(app, "bob")
        hers = await ann.join()
        await bob.join()
        ann.edit([[0, "hello"]], 0, 1)
        await bob.operations()
        await ann.operations()
        for head in (1, 2, 77):
            payload = {"cursor": {"anchor": 1, "head": head}, "revision": 9, "name": "Ann", "colour": "#a00"}
            ann.say("cursor", payload=payload)
        seen = await bob.next("cursor")
        assert (seen["clientId"], seen["sender"]) == (hers["clientId"], "ann")
        assert seen["payload"] == {
            "cursor": {"anchor": 1, "head": 5},
            "revision": 1,
            "name": "Ann",
            "colour": "#a00",
        }
        assert [message["type"] for message in await bob.quiet()] == [], "what came together is shown once"
        bob.edit([[0, ">>"], 5], 1, 1)
        await bob.operations()
        third = await Rude.connect(app, "cid")
        cursors = (await third.join())["init"]["cursors"]
        assert [(one["user"], one["cursor"], one["revision"]) for one in cursors] == [
            ("ann", {"anchor": 3, "head": 7}, 2)
        ]
        ann.close()
        gone = await bob.next("cursor")
        assert (gone["payload"]["cursor"], gone["clientId"]) == (None, hers["clientId"])


async def test_history_and_export(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hubbub.collab.documents._MOST_ASKED", 5)
    async with documents(snapshot_operations=3) as (app, kept):
        ann, bob = await Rude.connect(app), await Rude.connect(app, "bob")
        await ann.join()
        await bob.join()
        texts = [""]
        for number in range(1, 11):
            who = (ann, bob)[number % 2]
            who.edit([*([number - 1] if number > 1 else []), [0, chr(96 + number)]], number - 1, number)
            await ann.operations()
            await bob.operations()
            texts.append(texts[-1] + chr(96 + number))
        for revision, text in enumerate(texts):
            assert await kept.text_at("d", revision) == text
            ann.say("history", payload={"at": revision})
            answer = (await ann.next("history"))["payload"]
            assert (answer["at"], answer["content"]) == (revision, text)
        ann.say("history", payload={"after": 2, "limit": 3})
        answer = await ann.next("history")
        assert [message["offset"] for message in answer["messages"]] == [3, 4, 5]
        assert [message["sender"] for message in answer["messages"]] == ["bob", "ann", "bob"]
        assert answer["messages"][0]["payload"]["operations"][0]["operation"] == [2, [0, "c"]]
        assert answer["payload"]["complete"] is False
        ann.say("history")
        answer = await ann.next("history")
        assert (len(answer["messages"]), answer["payload"]["complete"]) == (10, True)
        for _ in range(100):
            ann.say("history", payload={"at": 7})
        answers = [await ann.next("history", "error") for _ in range(100)]
        assert {answer.get("code") for answer in answers} == {None, "too_many_pending"}
        assert {answer["payload"]["content"] for answer in answers if answer["type"] == "history"} == {texts[7]}
        whole = json.loads(await kept.export("d"))
        assert (whole["text"], whole["revision"], whole["start"]) == (texts[-1], 10, 0)
        assert [one["user"] for one in whole["operations"]] == ["bob", "ann"] * 5
        with pytest.raises(Conflict, match="no document"):
            await kept.text("other")


async def test_documents_survive_the_server(tmp_path: Path) -> None:
    place = f"sqlite:///{tmp_path}/hub.db"
    async with documents(log=place) as (app, _):
        ann = await Rude.connect(app)
        hers = await ann.join()
        ann.edit([[0, "one"]], 0, 1)
        await ann.operations()
    async with documents(log=place) as (app, kept):
        assert await kept.names() == ["d"]
        back = await Rude.connect(app)
        position = {"epoch": hers["payload"]["epoch"], "offset": 0}
        joined = await back.join(clientId=hers["clientId"], payload={"position": position})
        assert joined["payload"]["recovered"]
        assert await back.operations() == [{"revision": 1, "clientId": hers["clientId"], "seq": 1}]
        back.edit([[0, "one"]], 0, 1)
        assert await back.operations() == [{"revision": 1, "clientId": hers["clientId"], "seq": 1}]
        assert await kept.text("d") == "one"


async def test_a_place_that_cannot_keep_documents_is_refused() -> None:
    class Plain(MemoryLog):
        conditional = False

    with pytest.raises(ConfigurationError, match="cannot keep documents"):
        Documents(Hubbub(log=Plain()))
    with pytest.raises(ConfigurationError, match="no place for snapshots"):
        Documents(Hubbub(log=MemoryLog()))
    shared = SharedMemoryLog(MemoryLog())
    with pytest.raises(ConfigurationError, match=r"nodes share the log.*set `backend`"):
        Documents(Hubbub(log=shared), snapshots=MemorySnapshots())
    with pytest.raises(ConfigurationError, match="give a MailedLog"):
        app = Hubbub(log=shared, registry=MemoryRegistry(), mailbox=MemoryMailbox(MemoryExchange()))
        Documents(app, store=MemoryLog(), snapshots=MemorySnapshots())
    app = Hubbub()
    Documents(app)
    with pytest.raises(ConfigurationError, match="once"):
        Documents(app)
    with pytest.raises(ConfigurationError, match="idle_seconds"):
        Documents(Hubbub(), idle_seconds=0)
    await asyncio.sleep(0)


async def test_a_session_that_comes_back_says_where_it_was(tmp_path: Path) -> None:
    """Its documents are open; what it missed comes without a join, if its positions say from where."""
    async with documents(log=f"sqlite:///{tmp_path}/hub.db") as (app, _):
        socket = await upgrade(app.url)
        welcome = await socket.hello("ann")
        ann, bob = Rude(socket), await Rude.connect(app, "bob")
        joined = await ann.join()
        await bob.join()
        ann.close()
        bob.edit([[0, "meanwhile"]], 0, 1)
        await bob.operations()
        for positions in ({"doc:d": {"epoch": joined["payload"]["epoch"], "offset": 0}}, {}):
            socket = await upgrade(app.url)
            back = Rude(socket)
            payload = {"positions": positions}
            socket.send({"type": "restore_session", "sessionId": welcome["sessionId"], "payload": payload})
            await back.next("session_restored")
            if positions:
                again = await back.next("joined")
                assert (again["clientId"], again["payload"]["recovered"]) == (joined["clientId"], True)
                assert (await back.operations())[0]["operation"] == [[0, "meanwhile"]]
                back.close()
            else:
                assert await back.quiet() == []
                back.edit([9], 1, 1)
                assert await back.refusal() == ("not_joined", "channel")
                assert (await back.join())["clientId"] == joined["clientId"], "it is still the same author"


async def test_a_large_document_reaches_one_who_reads_slowly() -> None:
    """It is more than a connection may leave unread otherwise."""
    async with documents() as (app, kept):
        text = "0123456789\n" * 900_000
        await kept.create("d", text)
        ann = await Rude.connect(app)
        ann.say("join")
        connection = next(iter(app.hub.connections.values()))
        while not connection.paused:
            await asyncio.sleep(0.01)
        assert connection.transport.buffered() > app.settings.write_limit
        sent = connection.transport.buffered()
        for _ in range(3):
            app.hub.tell("ann", System("still there?", "info"))
            ann.say("join")
            await asyncio.sleep(0.05)
        assert connection.transport.buffered() < sent + 10_000, "nobody can ask for more before that is read"
        assert (await ann.next("init"))["payload"]["document"]["content"] == text
        assert await ann.quiet() != []
        # What is sent besides is bounded as ever.
        assert connection.granted == 0

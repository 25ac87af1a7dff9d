"""What one hub does with what another one tells it."""

from __future__ import annotations

import logging

import pytest
from msgspec import Raw

from hubbub.errors import Conflict
from hubbub.hub.peers import AnyNotice, Kicked, Moved, Muted, Passed, Reception, RoomClosed, Sent, Told, require_run
from tests.hub.world import Peer, World

BODY = Raw(b'{"type":"text","messageId":"00000000-0000-4000-8000-000000000001","timestamp":1,"sender":"s"}')


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def ann(world: World) -> Peer:
    peer = world.connect("ann")
    peer.join("den")
    peer.take()
    return peer


def tell(world: World, notice: AnyNotice) -> None:
    Reception(world.hub).received(notice)


def test_who_comes_and_goes_elsewhere_is_announced_here(world: World, ann: Peer) -> None:
    tell(world, Moved("den", "join", "bob", 2))
    tell(world, Moved("den", "leave", "ann", 1))
    tell(world, Moved("other", "join", "bob", 1))
    (event,) = ann.take()
    assert (event.payload.event, event.payload.user, event.payload.count) == ("join", "bob", 2)


def test_words_for_a_user_and_for_a_connection(world: World, ann: Peer) -> None:
    tell(world, Told("ann", "dinner", "info", "room:den"))
    tell(world, Told("bob", "not you"))
    (system,) = ann.take()
    assert (system.payload.content, system.channel) == ("dinner", "room:den")
    body = Raw(bytes(BODY)[:-1] + b',"payload":{"content":"you"}}')
    tell(world, Sent(ann.connection.id, body))
    tell(world, Sent("nobody-1", body))
    assert ann.contents() == ["you"]


def test_ephemeral_messages_reach_readers(world: World, ann: Peer) -> None:
    body = Raw(bytes(BODY)[:-1] + b',"channel":"room:den","payload":{"content":"hm"}}')
    tell(world, Passed("room:den", body))
    tell(world, Passed("room:other", body))
    assert ann.contents() == ["hm"]


def test_moderation(world: World, ann: Peer) -> None:
    tell(world, Muted("den", "ann", True))
    assert [message.code for message in ann.text("room:den", "hm")] == ["muted"]
    tell(world, Muted("den", "ann", False))
    tell(world, Kicked("den", "ann", "go home"))
    assert [message.type for message in ann.take()] == ["unsubscribed", "system"]
    ann.join("den")
    tell(world, RoomClosed("den", "it was closed"))
    assert "unsubscribed" in [message.type for message in ann.take()]
    assert world.hub.rooms.find("den") is None
    for notice in (Muted("den", "ann", True), Kicked("den", "ann", ""), RoomClosed("den", "")):
        tell(world, notice)
    assert ann.take() == []


def test_what_cannot_be_done_harms_nobody(world: World, ann: Peer, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        tell(world, Passed("room:den", Raw(b"nonsense")))
    assert "Passed" in caplog.text
    assert ann.take() == []


def test_a_connection_leads_to_its_hub(world: World, ann: Peer) -> None:
    assert require_run(ann.connection.id) == world.hub.run
    for wrong in ("", "-", "-1", "x", "x-", "x-y"):
        with pytest.raises(Conflict):
            require_run(wrong)

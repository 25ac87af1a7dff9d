"""Sessions outlive their connections: what comes back with them, in which order, and what is said of the rest."""

from hubbub.protocol.payloads import Position
from tests.hub.world import Peer, World


def restored(peer: Peer) -> tuple[dict[str, tuple[bool, int]], list[str]]:
    """What `session_restored` said of each log, and the texts after it."""
    answer, *rest = peer.take()
    assert answer.type == "session_restored", answer
    channels = {log: (found.recovered, found.offset) for log, found in answer.payload.channels.items()}
    return channels, [message.payload.content for message in rest if message.type == "text"]


def test_everything_missed_comes_in_order_before_anything_newer() -> None:
    world = World()
    ann, bob = world.connect("ann"), world.connect("bob")
    ann.join("den"), bob.join("den")
    bob.subscribe("news.**")
    ann.text("room:den", "1")
    assert bob.contents() == ["1"]
    bob.leave()
    for number in range(2, 6):
        ann.text("room:den", str(number))
        ann.text("topic:news.x", f"n{number}")
        ann.text("user:bob", f"p{number}")
    again = world.restore(bob)
    ann.text("room:den", "6")
    channels, texts = restored(again)
    assert channels == {"all": (True, 0), "user:bob": (True, 0), "room:den": (True, 1), "topic:news": (True, 0)}
    assert [text for text in texts if text.isdigit()] == ["2", "3", "4", "5", "6"]
    assert [text for text in texts if text[0] == "n"] == ["n2", "n3", "n4", "n5"]
    assert [text for text in texts if text[0] == "p"] == ["p2", "p3", "p4", "p5"]
    ann.text("room:den", "7")
    ann.text("user:bob", "p")
    assert again.contents() == ["7", "p"]


def test_the_clients_own_position_counts() -> None:
    world = World()
    ann, bob = world.connect("ann"), world.connect("bob")
    ann.join("den"), bob.join("den")
    for number in range(1, 6):
        ann.text("room:den", str(number))
    bob.leave()
    epoch = world.store.head("room:den").epoch
    again = world.restore(bob, room_den=Position(epoch, 3))
    channels, texts = restored(again)
    assert (channels["room:den"], texts) == ((True, 3), ["4", "5"])


def test_positions_from_the_future_of_another_epoch_or_too_old_go_on_from_the_oldest() -> None:
    world = World(retention_messages=3)
    ann, bob = world.connect("ann"), world.connect("bob")
    ann.join("den"), bob.join("den")
    for number in range(1, 8):
        ann.text("room:den", str(number))
    epoch = world.store.head("room:den").epoch
    for position in (Position(epoch, 99), Position("another", 6), Position(epoch, 2)):
        bob.leave()
        bob = world.restore(bob, room_den=position, room_elsewhere=Position(epoch, 1))
        channels, texts = restored(bob)
        assert (channels["room:den"], texts) == ((False, 4), ["5", "6", "7"])
        assert "room:elsewhere" not in channels


def test_a_newer_connection_of_the_session_replaces_the_older() -> None:
    world = World()
    ann, bob = world.connect("ann"), world.connect("bob")
    ann.join("den"), bob.join("den")
    ann.take()
    again = world.restore(bob)
    assert bob.transport.closed is not None
    assert bob.transport.closed[0] == 4409
    bob.leave()
    ann.text("room:den", "hi")
    assert restored(again)[1] == ["hi"]
    world.wait(20)
    assert [message.type for message in ann.take()] == ["ack", "text"] or ann.take() == []
    assert again.user == "bob"


def test_presence_does_not_flap_within_the_grace() -> None:
    world = World()
    ann, bob = world.connect("ann"), world.connect("bob")
    ann.join("den"), bob.join("den")
    ann.take()
    bob.leave()
    world.wait(14)
    bob = world.restore(bob)
    world.wait(20)
    assert ann.take() == []
    bob.leave()
    world.wait(16)
    assert [message.payload.event for message in ann.take()] == ["leave"]
    world.restore(bob)
    assert [message.payload.event for message in ann.take()] == ["join"]


def test_a_room_keeps_its_creator_and_its_place_for_who_is_away() -> None:
    world = World(room_capacity=1)
    ann = world.connect("ann")
    ann.join("den")
    ann.leave()
    world.wait(16)
    bob = world.connect("bob")
    assert bob.join("den").type == "ack"
    ann = world.restore(ann)
    restored(ann)
    assert world.hub.rooms.members("den") == ["bob", "ann"]
    assert [m.type for m in ann.command("kick", "den", target="bob")][-1] == "ack"


def test_who_was_kicked_while_away_is_told() -> None:
    world = World()
    ann, bob = world.connect("ann"), world.connect("bob")
    ann.join("den"), bob.join("den")
    bob.leave()
    ann.command("kick", "den", target="bob")
    told, answer, *_ = world.restore(bob).take()
    assert (told.type, told.channel) == ("unsubscribed", "room:den")
    assert "room:den" not in answer.payload.channels


def test_what_is_forbidden_by_now_does_not_come_back() -> None:
    world = World()
    ann, bob = world.connect("ann"), world.connect("bob")
    ann.join("den"), bob.join("den")
    bob.subscribe("a.b"), bob.subscribe("a.c")
    bob.leave()
    ann.text("room:den", "secret"), ann.text("topic:a.b", "secret"), ann.text("topic:a.c", "public")
    again = world.restore(bob, forbidden={"room:den", "topic:a.b"})
    lost, also, answer, *rest = again.take()
    assert {lost.channel, also.channel} == {"room:den", "topic:a.b"}
    assert set(answer.payload.channels) == {"all", "user:bob", "topic:a"}
    assert [message.payload.content for message in rest if message.type == "text"] == ["public"]


def test_a_session_ends_an_hour_after_its_connection() -> None:
    world = World()
    bob = world.connect("bob")
    bob.join("den")
    bob.leave()
    world.clock.advance(3599)
    world.wait(0.5)
    assert len(world.hub.sessions) == 1
    world.wait(2)
    assert len(world.hub.sessions) == 0
    assert world.hub.rooms.all() == []


def test_sessions_at_rest_are_bounded_the_oldest_goes_first() -> None:
    world = World(max_resting_sessions=2)
    peers = [world.connect(name) for name in ("ann", "bob", "eve")]
    for peer in peers:
        peer.leave()
    assert sorted(session.user.name for session in world.hub.groups.by_key.values()) == ["bob", "eve"]


def test_a_repeat_after_a_return_has_the_same_offset_and_is_not_delivered_again() -> None:
    world = World()
    ann, bob = world.connect("ann"), world.connect("bob")
    ann.join("den"), bob.join("den")
    fields = {"messageId": "7b0c8c2e-3f41-4f7e-9d0c-2b8f1c9a6d11"}
    ann.take()
    first = ann.text("room:den", "once", **fields)[0]
    ann.leave()
    ann = world.restore(ann)
    ann.take()
    again = ann.text("room:den", "once", **fields)
    assert [(message.type, message.offset) for message in again] == [("ack", first.offset)]
    assert bob.contents() == ["once"]


def test_a_log_lost_while_it_is_read_is_told_as_a_gap_of_another_epoch() -> None:
    world = World(memory_limit=20_000)
    ann, bob = world.connect("ann"), world.connect("bob")
    bob.subscribe("quiet")
    ann.text("topic:quiet", "1")
    bob.take()
    before = world.store.head("topic:quiet").epoch
    for number in range(100):
        ann.text(f"topic:loud{number}", "x" * 1000)
    ann.text("topic:quiet", "2")
    gap, text = bob.take()
    assert (gap.type, gap.channel, gap.payload.start, gap.payload.to) == ("gap", "topic:quiet", 1, 0)
    assert gap.payload.epoch != before
    assert (text.payload.content, text.offset) == ("2", 1)


def test_the_head_is_told_when_filters_let_nothing_through() -> None:
    world = World()
    ann, bob = world.connect("ann"), world.connect("bob")
    bob.subscribe("news.sport")
    for number in range(3):
        ann.text("topic:news.art", str(number))
    world.wait(26)
    (told,) = bob.take()
    assert (told.type, told.payload.positions["topic:news"].offset) == ("position", 3)
    ann.text("topic:news.sport", "goal")
    world.wait(26)
    assert [message.type for message in bob.take()] == ["text"]

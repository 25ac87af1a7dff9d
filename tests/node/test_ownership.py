"""A session is at one node: where it was restored last. The others let go of it, and nobody hears that it left."""

import asyncio
import json
from typing import Any

import pytest

from hubbub import OutcomeUnknown
from hubbub.node.members import INTERVAL
from hubbub.node.post import Taken
from hubbub.testing.loop import virtual
from tests.node.cluster import Cluster
from tests.node.strangers import Wanderer, secret_of
from tests.waiting import until


async def taken_unheard(cluster: Cluster, secret: str) -> Wanderer:
    """The session rests at n1 and is restored at n2, and the mail that would tell n1 is lost."""
    for link in cluster.networks["n1"].alive():
        link.cut()
    await asyncio.sleep(1)
    cluster.exchange.topics.pop("sessions@n1")
    other = Wanderer(cluster, "n2")
    await other.restore(secret)
    await until(lambda: other.is_in)
    return other


@virtual
async def test_a_session_that_is_restored_elsewhere_is_let_go_of_without_a_word() -> None:
    cluster = Cluster()
    await cluster.start("n1", "n2")
    ann, bob = await cluster.connect("ann", "n1"), await cluster.connect("bob", "n1")
    await ann.join("room:den")
    await bob.join("room:den")
    told: list[Any] = []
    bob.on("presence", told.append)
    ends: list[Any] = []
    ann.on("close", ends.append)
    other = Wanderer(cluster, "n2")
    await other.restore(secret_of(ann))
    await until(lambda: bool(ends))
    assert ends[0].code == 4409
    assert other.is_in
    assert set(other.heard[0]["payload"]["channels"]) == {"all", "user:ann", "room:den"}
    assert cluster.where("ann") == ["n2"]
    await asyncio.sleep(60)
    assert [event.payload.event for event in told] == []


@virtual
async def test_a_session_at_rest_is_taken_from_a_node_that_lives_and_from_one_that_died() -> None:
    cluster = Cluster()
    await cluster.start("n1", "n2", "n3")
    ann = await cluster.connect("ann", "n1")
    await ann.join("room:den")
    secret = secret_of(ann)
    cluster.networks["n1"].accept = None
    for link in cluster.networks["n1"].alive():
        link.cut()
    second = Wanderer(cluster, "n2")
    await second.restore(secret)
    await until(lambda: second.is_in)
    await until(lambda: cluster.where("ann") == ["n2"])
    cluster.kill("n2")
    third = Wanderer(cluster, "n3")
    await third.restore(secret)
    await until(lambda: third.is_in)
    assert "room:den" in third.heard[0]["payload"]["channels"]
    await ann.close()


@virtual
@pytest.mark.parametrize("delay", [0.0, 0.001, 0.5])
async def test_of_two_restores_at_once_one_ends_up_with_the_session(delay: float) -> None:
    for seed in range(20):
        cluster = Cluster(seed)
        await cluster.start("n1", "n2", "n3")
        ann = await cluster.connect("ann", "n1", max_reconnect_attempts=0)
        await ann.join("room:den")
        cluster.sessions.delay = delay
        first, second = Wanderer(cluster, "n2"), Wanderer(cluster, "n3")
        await asyncio.gather(first.restore(secret_of(ann)), second.restore(secret_of(ann)))
        await until(lambda one=first, two=second: one.is_answered and two.is_answered)  # type: ignore[misc]
        # Who was overtaken learns of it from a save that is refused, at the latest.
        await asyncio.sleep(10)
        assert [first.is_in, second.is_in].count(True) == 1
        assert cluster.where("ann") == ["n2" if first.is_in else "n3"]
        loser = second if first.is_in else first
        assert loser.closed is not None
        assert loser.closed.code == 4409


@virtual
async def test_a_node_that_heard_nothing_lets_go_when_its_save_is_refused() -> None:
    cluster = Cluster()
    await cluster.start("n1", "n2")
    ann = await cluster.connect("ann", "n1")
    ends: list[Any] = []
    ann.on("close", ends.append)
    # The mail is lost.
    cluster.exchange.topics.pop("sessions@n1")
    other = Wanderer(cluster, "n2")
    await other.restore(secret_of(ann))
    await until(lambda: other.is_in)
    assert cluster.where("ann") == ["n1", "n2"]
    # What this node cannot keep it does not acknowledge.
    with pytest.raises(OutcomeUnknown):
        await ann.join("room:den")
    await until(lambda: bool(ends))
    assert ends[0].code == 4409
    assert cluster.where("ann") == ["n2"]


@virtual
async def test_what_a_node_still_has_is_not_restored_when_it_has_been_elsewhere_since() -> None:
    cluster = Cluster()
    await cluster.start("n1", "n2")
    ann = await cluster.connect("ann", "n1", max_reconnect_attempts=0)
    secret = secret_of(ann)
    other = await taken_unheard(cluster, secret)
    join = {"type": "command", "messageId": "3d0c1b52-6f6e-4d5e-8a43-1f60a2a7a111", "timestamp": 1, "sender": "ann"}

    other.socket.send(json.dumps({**join, "channel": "room:new", "payload": {"action": "join"}}).encode(), is_text=True)
    await until(lambda: other.heard[-1]["type"] == "ack")
    await asyncio.sleep(1)
    back = Wanderer(cluster, "n1")
    await back.restore(secret)
    await until(lambda: back.is_in)
    assert "room:new" in back.heard[0]["payload"]["channels"]
    await until(lambda: cluster.where("ann") == ["n1"])


@virtual
async def test_a_session_that_cannot_be_restored_stays_where_it_is() -> None:
    cluster = Cluster()
    await cluster.start("n1", "n2")
    ann = await cluster.connect("ann", "n1")

    async def broken(*given: Any, **more: Any) -> Any:
        raise ConnectionError("no log here")

    cluster.nodes["n2"].hub.journal._store = _Broken(broken)  # type: ignore[attr-defined]
    other = Wanderer(cluster, "n2")
    await other.restore(secret_of(ann))
    await until(lambda: other.closed is not None)
    assert other.closed is not None
    assert other.closed.code == 1013
    await ann.join("room:den")
    await asyncio.sleep(100)
    assert cluster.where("ann") == ["n1"]
    assert ann.state.phase == "connected"


class _Broken:
    dense = True
    conditional = True

    def __init__(self, answer: Any) -> None:
        self.append = self.read = self.head = self.follow = answer

    def unfollow(self, *given: Any) -> None: ...


@virtual
async def test_it_is_taken_back_from_a_node_that_died_before_it_was_through() -> None:
    cluster = Cluster()
    await cluster.start("n1", "n2")
    ann = await cluster.connect("ann", "n1")
    vault = cluster.nodes["n2"].server.node.cluster.vault  # type: ignore[union-attr]
    found: list[Any] = []
    digest = next(iter(cluster.sessions.kept._records))
    vault.load(bytes.fromhex(digest), found.append)
    await until(lambda: bool(found))
    done: list[bool] = []
    vault.claim(found[0], done.append)
    await until(lambda: done == [True])
    cluster.kill("n2")
    await asyncio.sleep(30)
    await ann.join("room:den")
    await asyncio.sleep(10)
    assert cluster.where("ann") == ["n1"]
    assert ann.state.phase == "connected"


@virtual
async def test_while_the_store_is_away_nothing_is_forgotten() -> None:
    cluster = Cluster()
    await cluster.start("n1", "n2")
    ann, bob = await cluster.connect("ann", "n1"), await cluster.connect("bob", "n1")
    cluster.sessions.is_away = True
    await ann.join("room:den")
    for link in cluster.networks["n1"].alive():
        link.cut()
    # Where it is known it can be restored all the same.
    await until(lambda: ann.state.phase == bob.state.phase == "connected")
    other = Wanderer(cluster, "n2")
    await other.restore(secret_of(bob))
    await until(lambda: other.is_answered)
    assert (other.heard[0]["code"], other.heard[0]["payload"]["number"]) == ("unavailable", 132)
    cluster.sessions.is_away = False
    await asyncio.sleep(3)
    other = Wanderer(cluster, "n2")
    await other.restore(secret_of(ann))
    await until(lambda: other.is_in)
    assert "room:den" in other.heard[0]["payload"]["channels"]


@virtual
async def test_a_session_that_lives_does_not_expire_in_the_store() -> None:
    cluster = Cluster()
    await cluster.start("n1", "n2", session_ttl=100.0)
    ann = await cluster.connect("ann", "n1")
    await asyncio.sleep(1000)
    cluster.kill("n1")
    other = Wanderer(cluster, "n2")
    await other.restore(secret_of(ann))
    await until(lambda: other.is_in)
    await ann.close()


@virtual
async def test_what_ends_here_is_not_deleted_where_another_node_has_it() -> None:
    cluster = Cluster()
    await cluster.start("n1", session_ttl=100.0)
    await cluster.start("n2")
    ann = await cluster.connect("ann", "n1", max_reconnect_attempts=0)
    await taken_unheard(cluster, secret_of(ann))
    await asyncio.sleep(200)
    assert cluster.where("ann") == ["n2"]
    assert len(cluster.sessions.kept._records) == 1
    # And what nobody has any more is.
    await asyncio.sleep(10)
    bob = await cluster.connect("bob", "n1", max_reconnect_attempts=0)
    await bob.close()
    await asyncio.sleep(200)
    assert len(cluster.sessions.kept._records) == 1


@virtual
async def test_who_comes_back_while_nobody_knows_where_the_session_was_may_come_once_more() -> None:
    """4409 would end its client for good, though nobody else has the session."""
    cluster = Cluster()
    await cluster.start("n1", "n2")
    ann = await cluster.connect("ann", "n1", max_reconnect_attempts=0)
    await taken_unheard(cluster, secret_of(ann))
    cluster.kill("n2")
    cluster.sessions.is_away = True
    back = Wanderer(cluster, "n1")
    await back.restore(secret_of(ann))
    await until(lambda: back.is_in)
    cluster.sessions.is_away = False
    await until(lambda: back.closed is not None)
    assert back.closed is not None
    assert back.closed.code == 1013
    again = Wanderer(cluster, "n1")
    await again.restore(secret_of(ann))
    await until(lambda: again.is_in)
    await asyncio.sleep(30)
    assert again.closed is None


@virtual
async def test_mail_that_makes_no_sense_harms_nobody() -> None:
    cluster = Cluster()
    await cluster.start("n1")
    ann = await cluster.connect("ann", "n1")
    session = cluster.session("ann", "n1")
    assert session is not None
    (receive,) = cluster.exchange.topics["sessions@n1"].values()
    for data in (b"", b"{}", b'{"type":"Later"}', b'{"type":"Taken","digest":"zz","fence":9,"node":"n2"}', b"\xff"):
        receive(data)
    cluster.nodes["n1"].server.node.cluster._post.send(  # type: ignore[union-attr]
        "n1", Taken(session.digest.hex(), session.fence, "n2")
    )
    await asyncio.sleep(1)
    await ann.join("room:den")
    assert cluster.where("ann") == ["n1"]


@virtual
async def test_who_was_overtaken_without_a_word_learns_of_it_soon() -> None:
    cluster = Cluster()
    await cluster.start("n1", "n2", "n3")
    ann = await cluster.connect("ann", "n1", max_reconnect_attempts=0)
    hub = cluster.nodes["n3"].hub
    found: list[Any] = []
    hub.vault.load(bytes.fromhex(next(iter(cluster.sessions.kept._records))), found.append)
    await until(lambda: bool(found))
    # The third node is slow: it claims what it loaded before the second one had it.
    second = Wanderer(cluster, "n2")
    await second.restore(secret_of(ann))
    await until(lambda: second.is_in)
    await asyncio.sleep(1)
    (late,) = found
    late.fence += 2**21
    claimed: list[bool] = []
    hub.vault.claim(late, claimed.append)
    await until(lambda: claimed == [True])
    assert hub.sessions.adopt(late)
    await until(lambda: second.closed is not None, seconds=6)
    assert cluster.where("ann") == ["n3"]


@virtual
async def test_a_store_that_comes_back_empty_gets_every_session_again() -> None:
    cluster = Cluster()
    await cluster.start("n1", "n2")
    clients = [await cluster.connect(f"u{number}", "n1") for number in range(20)]
    for digest in list(cluster.sessions.kept._records):
        cluster.sessions.kept.delete(digest)
    cluster.registry._nodes.clear()
    await asyncio.sleep(2 * INTERVAL + 2)
    assert len(cluster.sessions.kept._records) == 20
    cluster.kill("n1")
    other = Wanderer(cluster, "n2")
    await other.restore(secret_of(clients[7]))
    await until(lambda: other.is_in)
    for client in clients:
        await client.close()

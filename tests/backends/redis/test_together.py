"""Three nodes on one Redis: rooms and members, moderation, groups, limits, and what goes beside the log."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, TypedDict

import pytest

import hubbub
from tests.backends.redis.conftest import Backends
from tests.node.peers import Peer
from tests.servers.redis import RedisServer, RedisThree
from tests.waiting import until

pytestmark = pytest.mark.slow


class Wave(TypedDict):
    x: int


@asynccontextmanager
async def three_nodes(url: str, cluster: str, **settings: Any) -> AsyncIterator[list[hubbub.Hubbub]]:
    """Nodes without sockets, on a real Redis. Their clients go when the test does."""
    async with AsyncExitStack() as stack:
        apps = []
        for name in ("n1", "n2", "n3"):
            app = hubbub.Hubbub(
                anonymous=True, node=name, backend=url, cluster=cluster, drain_timeout=0.1, drain_over=0.1, **settings
            )
            app.message("wave", ephemeral=True)(Wave)
            await app.start(listen=False)
            stack.push_async_callback(app.stop)
            apps.append(app)
        yield apps


@pytest.fixture(params=["redis_server", "redis_three"])
def url(request: pytest.FixtureRequest) -> str:
    server: RedisServer | RedisThree = request.getfixturevalue(request.param)
    return server.url


async def test_one_order_for_all(url: str, backends: Backends) -> None:
    async with three_nodes(url, backends.cluster) as apps:
        peers = [await Peer(app, f"u{number}").begin("den") for number, app in enumerate(apps)]
        for number in range(100):
            for peer in peers:
                peer.text("room:den", f"{peer.user} {number}")
        await until(lambda: all(len(peer.texts()) == 300 for peer in peers), 20)
        assert [offset for offset, _ in peers[0].texts()] == list(range(1, 301))
        assert peers[0].texts() == peers[1].texts() == peers[2].texts()


async def test_members_and_moderation(url: str, backends: Backends) -> None:
    async with three_nodes(url, backends.cluster, room_capacity=2) as (one, two, three):
        ann, bob = await Peer(one, "ann").begin("den"), await Peer(two, "bob").begin("den")
        cy = await Peer(three, "cy").begin()
        assert (await cy.command("join", "den")).code == "room_full"
        await until(lambda: ann.told() == [("join", "bob", 2)], 10)
        assert await three.rooms.present("den") == ["ann", "bob"]
        await ann.command("mute", "den", target="bob")
        await bob.hear("system")
        bob.text("room:den", "hm")
        assert (await bob.hear("error"))[0].code == "muted"
        await ann.command("kick", "den", target="bob")
        await bob.hear("unsubscribed")
        await until(lambda: ann.told()[1:] == [("leave", "bob", 1)], 10)
        assert (await cy.command("join", "den")).payload.members == ["ann", "cy"]
        ann.say("wave", channel="room:den", payload={"x": 1})
        assert (await cy.hear("wave"))[0].payload == {"x": 1}
        await one.send(cy.connection_id, "just you")
        await until(lambda: any(content == "just you" for _, content in cy.texts()), 10)


async def test_groups_rooms_and_limits_by_call(url: str, backends: Backends) -> None:
    async with three_nodes(url, backends.cluster, max_connections_per_user=1) as (one, two, three):
        bob = await Peer(two, "bob").begin()
        one.groups.create("staff")
        one.groups.add("bob", "staff")
        await bob.hear("subscribed")
        await until(lambda: "staff" in [group.id for group in three.hub.groups.all()], 10)
        await three.broadcast("to staff", groups=["staff"])
        await until(lambda: [content for _, content in bob.texts()] == ["to staff"], 10)
        one.rooms.create("made", name="Made", capacity=1)
        await until(lambda: "made" in [room.id for room in three.rooms.all()], 10)
        again = Peer(three, "bob")
        again._count = 100
        assert (await again.ask("hello", payload={"user": "bob"})).code == "rate_limited"
        one.rooms.delete("made")
        await until(lambda: "made" not in [room.id for room in three.rooms.all()], 10)

"""What `hubbub serve` adds for the pages."""

from __future__ import annotations

import msgspec

from hubbub import Hubbub, Settings
from hubbub.cli.demo import register_demo
from tests.sockets import application, serving, upgrade


def demo(**settings: object) -> Hubbub:
    app = Hubbub(msgspec.convert({"port": 0, **settings}, Settings))
    register_demo(app)
    return app


async def test_what_was_typed_and_seen_is_told_and_not_kept() -> None:
    async with serving(demo(anonymous=True)) as app:
        ann, bob = await upgrade(app.url), await upgrade(app.url)
        for socket, user in ((ann, "ann"), (bob, "bob")):
            await socket.hello(user)
            socket.send(application("command", user, "room:den", {"action": "join"}))
        for kind, payload in (("typing", {"typing": True}), ("seen", {"offset": 3})):
            ann.send(application(kind, "ann", "room:den", payload))
            while (told := await bob.receive())["type"] != kind:
                pass
            assert (told["sender"], told["payload"], "offset" in told) == ("ann", payload, False)
        ann.close()
        bob.close()


async def test_a_hub_alone_does_not_know_what_moving_is() -> None:
    async with serving(demo(anonymous=True)) as app:
        ann = await upgrade(app.url)
        await ann.hello("ann")
        answer = await ann.ask(application("move", "ann", None, {}))
        assert answer["code"] == "unknown_type"
        ann.close()


def test_only_anonymous_hubs_of_several_nodes_move_whoever_asks() -> None:
    shared = {"backend": "redis://127.0.0.1:1/0"}
    assert "move" in demo(anonymous=True, **shared).catalog
    assert "move" not in demo(anonymous=True).catalog
    assert "move" not in demo(**shared).catalog

"""Handlers, versions, middleware, registered types: over real sockets."""

from dataclasses import dataclass
from typing import Any, TypedDict

import msgspec
import pytest

import hubbub
from hubbub.app.routing import MessageRouter
from hubbub.protocol.versions import ProtocolVersion
from tests.sockets import application, serving, upgrade, ws


def app_with_room() -> hubbub.Hubbub:
    return hubbub.Hubbub(port=0, anonymous=True)


def test_routes_do_not_overlap() -> None:
    router = MessageRouter()
    router.add_route("text", print, until=ProtocolVersion(1, 0))
    router.add_route("text", repr, since=ProtocolVersion(1, 1))
    assert router.route("text", ProtocolVersion(1, 0)) is print
    assert router.route("text", ProtocolVersion(1, 2)) is repr
    assert router.route("image", ProtocolVersion(1, 0)) is None
    with pytest.raises(hubbub.ConfigurationError):
        router.add_route("text", print, since=ProtocolVersion(1, 2))
    with pytest.raises(hubbub.ConfigurationError):
        router.add_route("file", print, since=ProtocolVersion(1, 2), until=ProtocolVersion(1, 1))


async def test_the_old_and_the_new_handler_side_by_side() -> None:
    app = app_with_room()
    heard: list[tuple[str, str, list[str]]] = []

    @app.on("text", until="1.0")
    async def old(context: hubbub.Context, message: Any) -> None:
        heard.append(("old", message.payload.content, message.payload.mentions))

    @app.on("text", since="1.1")
    def new(context: hubbub.Context, message: Any) -> None:
        heard.append(("new", message.payload.content, message.payload.mentions))

    async with serving(app):
        for version in ("1.0", "1.2"):
            socket = await upgrade(app.url)
            await socket.hello("ann", version)
            text = application("text", "ann", "topic:a.b", {"content": version, "mentions": ["bob"]})
            assert (await socket.ask(text))["type"] == "ack"
            assert (await socket.ask({**text, "version": "1.10"}))["code"] == "unsupported_version"
            socket.close()
    assert [(which, content) for which, content, _ in heard] == [("old", "1.0"), ("new", "1.2")]
    assert heard[1][2] == ["bob"]


async def test_a_handler_that_raises_costs_its_sender_an_error_and_nothing_else() -> None:
    app = app_with_room()

    @app.on("text")
    async def handler(context: hubbub.Context, message: Any) -> None:
        if message.payload.content == "boom":
            raise RuntimeError("secret details")
        if message.payload.content == "no":
            raise hubbub.Denied("forbidden", "not that word", field="payload.content")

    async with serving(app), hubbub.connect(ws(app), user="ann") as ann, hubbub.connect(ws(app), user="bob") as bob:
        await ann.join("room:den")
        heard = bob.subscribe("room:den")
        await heard.begin()
        with pytest.raises(hubbub.InternalError) as raised:
            await ann.publish("room:den", "boom")
        assert "secret" not in str(raised.value)
        with pytest.raises(hubbub.Denied) as denied:
            await ann.publish("room:den", "no")
        assert denied.value.field == "payload.content"
        await ann.publish("room:den", "fine")
        assert (await anext(heard)).payload.content == "fine"


async def test_default_handler_and_consuming() -> None:
    app = app_with_room()
    heard: list[str] = []

    @app.default
    async def unknown(context: hubbub.Context, message: Any) -> None:
        heard.append(message.type)

    @app.on("text")
    async def command(context: hubbub.Context, message: Any) -> None:
        if message.payload.content.startswith("/"):
            context.tell("done")
            context.consume()

    async with serving(app), hubbub.connect(ws(app), user="ann") as ann:
        told: list[str] = []
        ann.on("system", lambda message: told.append(message.payload.content))
        assert (await ann.publish("topic:a.b", {"x": 1}, type="nonsense")).offset == 1
        assert (await ann.publish("topic:a.b", "/help")).offset == 0
        assert (await ann.publish("topic:a.b", "hi")).offset == 2
        assert (heard, told) == (["nonsense"], ["done"])


async def test_middleware_goes_around_in_order_and_messages_keep_theirs() -> None:
    app = app_with_room()
    steps: list[str] = []

    @app.middleware
    async def outer(context: hubbub.Context, message: Any, call_next: Any) -> None:
        steps.append("outer in")
        await call_next(message)
        steps.append("outer out")

    @app.middleware
    async def inner(context: hubbub.Context, message: Any, call_next: Any) -> None:
        steps.append("inner")
        if message.type == "text" and message.payload.content == "drop":
            raise hubbub.BadMessage("invalid_message", "dropped")
        await call_next(message)

    async with serving(app), hubbub.connect(ws(app), user="ann") as ann:
        await ann.publish("topic:a.b", "hi")
        assert steps == ["outer in", "inner", "outer out"]
        with pytest.raises(hubbub.BadMessage):
            await ann.publish("topic:a.b", "drop")


class Score(msgspec.Struct):
    points: int


@dataclass
class Move:
    x: int
    y: int = 0


class Vote(TypedDict):
    choice: str


async def test_registered_types_work_in_both_codecs_and_stand_in_the_schema() -> None:
    app = app_with_room()
    catalog = hubbub.Catalog()
    for name, payload in (("score", Score), ("move", Move), ("vote", Vote)):
        app.message(name)(payload)
        catalog.register(name, payload)
    assert {"score", "move", "vote"} <= set(app.schema()["properties"]["type"]["enum"])
    async with (
        serving(app),
        hubbub.connect(ws(app), user="ann", catalog=catalog) as ann,
        hubbub.connect(ws(app), user="bob", codec="protobuf", catalog=catalog) as bob,
    ):
        heard = bob.subscribe("topic:game.**")
        await heard.begin()
        await ann.publish("topic:game.a", Score(points=3))
        await ann.publish("topic:game.a", Move(1, 2))
        await ann.publish("topic:game.a", {"choice": "red"}, type="vote")
        assert [(await anext(heard)).payload for _ in range(3)] == [Score(points=3), Move(1, 2), {"choice": "red"}]
        with pytest.raises(hubbub.BadMessage) as raised:
            await bob.publish("topic:game.a", {"points": "many"}, type="score")
        assert raised.value.field == "payload.points"
    with pytest.raises(hubbub.ConfigurationError):
        app.message("late")(Score)

"""Sessions and rooms that outlive the process: another one on the same stores goes on."""

from typing import Any

from hubbub import Hubbub
from hubbub.backends.memory.directory import MemoryDirectory
from hubbub.backends.memory.log import MemoryLog
from hubbub.backends.memory.sessions import MemorySessions
from tests.sockets import RawSocket, application, serving, upgrade


class Stores:
    """Stores that survive the apps on them, and come along as the arguments of one."""

    def __init__(self) -> None:
        self.named: dict[str, Any] = {
            "log": MemoryLog(),
            "sessions": MemorySessions(),
            "directory": MemoryDirectory(),
        }

    def app(self, **settings: Any) -> Hubbub:
        return Hubbub(anonymous=True, port=0, **self.named, **settings)


async def enter(app: Hubbub, user: str) -> tuple[RawSocket, dict[str, Any]]:
    socket = await upgrade(app.url)
    welcome = await socket.hello(user)
    await socket.ask(application("command", user, "room:den", {"action": "join", "ack": True}))
    return socket, welcome


async def command(socket: RawSocket, user: str, action: str, target: str) -> dict[str, Any]:
    socket.send(application("command", user, "room:den", {"action": action, "target": target}))
    while (answer := await socket.receive())["type"] not in ("ack", "error"):
        pass
    return answer


async def test_another_process_goes_on_where_the_first_one_was() -> None:
    stores = Stores()
    async with serving(stores.app()) as app:
        ann, ann_welcome = await enter(app, "ann")
        bob, bob_welcome = await enter(app, "bob")
        subscribed = await bob.ask({"type": "subscribe", "channel": "topic:news.**", "payload": {}})
        await command(ann, "ann", "mute", "bob")
        await app.publish("room:den", "before")
        ann.close(), bob.close()
    async with serving(stores.app()) as app:
        await app.publish("room:den", "meanwhile")
        await app.publish("topic:news.x", "news")
        bob = await upgrade(app.url)
        restored = await bob.ask({"type": "restore_session", "sessionId": bob_welcome["sessionId"]})
        assert restored["type"] == "session_restored", restored
        assert set(restored["payload"]["channels"]) == {"all", "user:bob", "room:den", "topic:news"}
        seen = [await bob.receive() for _ in range(4)]
        texts = {message["payload"]["content"] for message in seen if message["type"] == "text"}
        assert texts == {"before", "meanwhile", "news"}
        bob.send(application("text", "bob", "room:den", {"content": "may I?"}))
        assert (await bob.receive())["code"] == "muted"
        ended = {"type": "unsubscribe", "payload": {"subscriptionId": subscribed["payload"]["subscriptionId"]}}
        assert (await bob.ask(ended))["type"] == "ack"
        ann = await upgrade(app.url)
        await ann.ask({"type": "restore_session", "sessionId": ann_welcome["sessionId"]})
        assert (await command(ann, "ann", "unmute", "bob"))["type"] == "ack"
        ann.close(), bob.close()


async def test_an_ended_session_is_kept_by_nobody() -> None:
    stores = Stores()
    app = stores.app()
    async with serving(app):
        ann, welcome = await enter(app, "ann")
        ann.close()
    async with serving(stores.app()) as app:
        again = await upgrade(app.url)
        await again.ask({"type": "restore_session", "sessionId": welcome["sessionId"]})
        (session,) = app.hub.groups.by_key.values()
        app.hub.sessions.end(session)
        again.close()
    async with serving(stores.app()) as app:
        again = await upgrade(app.url)
        answer = await again.ask({"type": "restore_session", "sessionId": welcome["sessionId"]})
        assert answer["code"] == "session_expired"
        again.close()


async def test_what_nobody_came_back_to_is_forgotten() -> None:
    stores = Stores()
    async with serving(stores.app()) as app:
        ann, _ = await enter(app, "ann")
        ann.close()
    directory = stores.named["directory"]
    assert list(directory.names("room:")) == ["room:den"]
    async with serving(stores.app()) as app:
        app.server.node._vault.forget_unused()  # type: ignore[union-attr]
        assert list(directory.names("room:")) == []

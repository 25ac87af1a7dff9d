"""Coming back over real sockets: who may, what is answered, and what a stranger gets."""

import asyncio
from typing import Any

import hubbub
from hubbub.hub.users import User
from tests.sockets import RawSocket, application, serving, upgrade


async def joined(app: hubbub.Hubbub, user: str, room: str = "room:den") -> tuple[RawSocket, dict[str, Any]]:
    socket = await upgrade(app.url)
    welcome = await socket.hello(user)
    await socket.ask(application("command", user, room, {"action": "join"}))
    return socket, welcome


def restoring(welcome: dict[str, Any], **payload: Any) -> dict[str, Any]:
    return {
        "type": "restore_session",
        "messageId": "3d0c1b52-6f6e-4d5e-8a43-1f60a2a7a111",
        "sessionId": welcome["sessionId"],
        "connectionId": welcome["connectionId"],
        "payload": payload,
    }


async def test_a_cut_connection_comes_back_and_gets_what_it_missed() -> None:
    async with serving() as app:
        bob, welcome = await joined(app, "bob")
        bob.writer.transport.abort()
        for number in range(3):
            await app.publish("room:den", str(number))
        again = await upgrade(app.url)
        answer = await again.ask(restoring(welcome, positions={"room:den": {"epoch": "?", "offset": 7}}))
        assert (answer["type"], answer["sessionId"]) == ("session_restored", welcome["sessionId"])
        assert answer["messageId"] == "3d0c1b52-6f6e-4d5e-8a43-1f60a2a7a111"
        assert answer["connectionId"] != welcome["connectionId"]
        assert answer["payload"]["channels"]["room:den"]["recovered"] is False
        seen = [await again.receive() for _ in range(4)]
        assert [message["payload"]["content"] for message in seen if message["type"] == "text"] == ["0", "1", "2"]
        second = await upgrade(app.url)
        await second.ask(restoring(welcome))
        assert await again.closing() == 4409
        for socket in (bob, again, second):
            socket.close()


async def test_an_attempt_that_was_given_up_and_comes_late_takes_nothing() -> None:
    async with serving() as app:
        bob, welcome = await joined(app, "bob")
        late, later = await upgrade(app.url), await upgrade(app.url)
        assert (await later.ask(restoring(welcome, attempt=8)))["type"] == "session_restored"
        assert await bob.closing() == 4409
        for number in (7, 8):
            refused = await late.ask(restoring(welcome, attempt=number))
            assert (refused["code"], refused["payload"]["field"]) == ("forbidden", "payload.attempt")
        await app.publish("room:den", "for the living")
        while (message := await later.receive())["type"] != "text":
            pass
        assert message["payload"]["content"] == "for the living"
        # Whoever gives no number is as new as can be, and the count goes on over it.
        assert (await late.ask(restoring(welcome)))["type"] == "session_restored"
        assert await later.closing() == 4409
        other = await upgrade(app.url)
        assert (await other.ask(restoring(welcome, attempt=8)))["code"] == "forbidden"
        assert (await other.ask(restoring(welcome, attempt=-1)))["code"] == "invalid_message"
        assert (await other.ask(restoring(welcome, attempt=9)))["type"] == "session_restored"
        for socket in (bob, late, later, other):
            socket.close()


async def test_an_unknown_session_is_expired_and_a_hello_may_follow() -> None:
    async with serving() as app:
        socket = await upgrade(app.url)
        answer = await socket.ask(restoring({"sessionId": "guessed", "connectionId": "c1"}))
        assert (answer["code"], answer["payload"]["number"], answer["payload"]["field"]) == (
            "session_expired",
            114,
            "sessionId",
        )
        await socket.hello("ann")
        again = await socket.ask(restoring({"sessionId": "guessed", "connectionId": "c1"}))
        assert (again["code"], again["payload"]["field"]) == ("invalid_message", "type")
        socket.close()


async def test_guessing_is_slow() -> None:
    async with serving(restore_attempts=7) as app:
        guess = restoring({"sessionId": "guessed", "connectionId": "c1"})
        socket = await upgrade(app.url)
        for _ in range(5):
            assert (await socket.ask(guess))["code"] == "session_expired"
        assert await socket.closing() == 4429
        socket.close()
        socket = await upgrade(app.url)
        for _ in range(2):
            assert (await socket.ask(guess))["code"] == "session_expired"
        answer = await socket.ask(guess)
        assert answer["code"] == "rate_limited"
        assert answer["payload"]["retry_after_ms"] > 0
        await socket.hello("ann")
        socket.close()


async def test_a_restore_during_a_restore_replaces_it() -> None:
    app = hubbub.Hubbub(anonymous=True, port=0)
    asked = asyncio.Event()
    go_on = asyncio.Event()

    @app.authorize
    async def authorize(user: User, action: str, channel: str) -> bool | None:
        if app.connections() and action == "join" and asked_once:
            asked.set()
            await go_on.wait()
        return None

    asked_once: list[bool] = []
    async with serving(app):
        bob, welcome = await joined(app, "bob")
        bob.writer.transport.abort()
        asked_once.append(True)
        first, second = await upgrade(app.url), await upgrade(app.url)
        first.send(restoring(welcome))
        await asked.wait()
        asked_once.clear()
        assert (await second.ask(restoring(welcome)))["type"] == "session_restored"
        go_on.set()
        assert (await first.receive())["type"] == "session_restored"
        assert await second.closing() == 4409
        for socket in (bob, first, second):
            socket.close()


async def test_another_users_token_does_not_open_a_session() -> None:
    app = hubbub.Hubbub(port=0)

    @app.authenticate
    def authenticate(upgrade: hubbub.Upgrade, hello: Any) -> User | None:
        return User(hello.token) if hello.token else None

    async with serving(app):
        socket = await upgrade(app.url)
        welcome = await socket.ask({"type": "hello", "version": "1.2", "payload": {"token": "ann"}})
        socket.close()
        socket = await upgrade(app.url)
        answer = await socket.ask(restoring(welcome, token="bob"))
        assert (answer["code"], answer["payload"]["field"]) == ("forbidden", "payload.token")
        assert (await socket.ask(restoring(welcome, token="ann")))["type"] == "session_restored"
        socket.close()


async def test_an_expired_token_opens_no_session_any_more() -> None:
    app = hubbub.Hubbub(port=0, token_grace=0.0)

    @app.authenticate
    def authenticate(upgrade: hubbub.Upgrade, hello: Any) -> User | None:
        return User("ann", expires_at=1.0) if hello.token == "short" else None

    async with serving(app):
        socket = await upgrade(app.url)
        welcome = await socket.ask({"type": "hello", "version": "1.2", "payload": {"token": "short"}})
        socket.close()
        socket = await upgrade(app.url)
        assert (await socket.ask(restoring(welcome)))["code"] == "token_expired"
        assert await socket.closing() == 4401
        socket.close()

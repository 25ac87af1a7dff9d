import pytest

import hubbub
from tests.sockets import application, serving, upgrade, ws


async def test_hello_and_welcome() -> None:
    async with serving() as app:
        socket = await upgrade(app.url)
        welcome = await socket.hello("ann", "1.1")
        assert welcome["version"] == "1.1"
        assert len(welcome["sessionId"]) >= 22
        assert welcome["payload"]["user"] == "ann"
        assert set(welcome["payload"]["positions"]) == {"all", "user:ann"}
        assert (await socket.ask({"type": "hello"}))["code"] == "invalid_message"
        assert (await socket.ask({"type": "restore_session", "sessionId": "x"}))["code"] == "invalid_message"
        assert (await socket.ask({"type": "ping"}))["type"] == "pong"
        socket.close()


@pytest.mark.parametrize(("asked", "spoken"), [(None, "1.0"), ("1.0", "1.0"), ("1.2", "1.2"), ("1.10", "1.2")])
async def test_versions_are_negotiated(asked: str | None, spoken: str) -> None:
    async with serving() as app:
        socket = await upgrade(app.url)
        hello = {"type": "hello"} if asked is None else {"type": "hello", "version": asked}
        assert (await socket.ask(hello))["version"] == spoken
        socket.close()


async def test_another_major_version_may_try_again() -> None:
    async with serving() as app:
        socket = await upgrade(app.url)
        refused = await socket.ask({"type": "hello", "version": "2.0"})
        assert (refused["code"], refused["payload"]["number"]) == ("unsupported_version", 104)
        assert "1.2" in refused["reason"]
        await socket.hello("ann")
        socket.close()


async def test_any_message_may_come_first_where_anonymous_users_are_allowed() -> None:
    async with serving() as app:
        socket = await upgrade(app.url)
        welcome = await socket.ask(application("text", "ann", "topic:a.b", {"content": "hi"}, version="1.1"))
        assert (welcome["type"], welcome["version"], welcome["payload"]["user"]) == ("welcome", "1.1", "ann")
        assert (await socket.receive())["type"] == "ack"
        socket.close()


async def test_an_invalid_first_message_is_no_hello() -> None:
    async with serving() as app:
        socket = await upgrade(app.url)
        assert (await socket.ask("{"))["code"] == "invalid_json"
        bad = application("text", "", "topic:a.b", {"content": "hi"})
        assert (await socket.ask(bad))["payload"]["field"] == "sender"
        await socket.hello("ann")
        socket.close()


async def test_an_unknown_session_is_expired_and_hello_may_follow() -> None:
    async with serving() as app:
        socket = await upgrade(app.url)
        refused = await socket.ask({"type": "restore_session", "sessionId": "nobody's"})
        assert (refused["code"], refused["payload"]["number"]) == ("session_expired", 114)
        await socket.hello("ann")
        socket.close()


async def test_who_says_nothing_is_closed() -> None:
    async with serving(hello_timeout=0.5) as app:
        socket = await upgrade(app.url)
        assert await socket.closing() == 4408
        socket.close()


async def test_without_credentials_nobody_gets_in() -> None:
    async with serving(anonymous=False) as app:
        for first in ({"type": "hello"}, application("text", "ann", "topic:a.b", {"content": "hi"}), {"type": "ping"}):
            socket = await upgrade(app.url)
            refused = await socket.ask(first)
            assert (refused["code"], refused["payload"]["number"]) == ("unauthorized", 110)
            assert await socket.closing() == 4401
            socket.close()
        with pytest.raises(hubbub.Denied):
            await hubbub.connect(ws(app), user="ann")


@pytest.mark.parametrize("name", ["", "a\x00b", "ü" * 128])
async def test_names_that_cannot_be(name: str) -> None:
    async with serving() as app:
        socket = await upgrade(app.url)
        refused = await socket.ask({"type": "hello", "payload": {"user": name}})
        assert (refused["code"], refused["payload"]["field"]) == ("invalid_message", "payload.user")
        await socket.hello("ann")
        socket.close()

"""Tokens: asked for each connection, renewed in time, and what becomes of refused ones."""

import asyncio
import base64
import json
from typing import Any

import pytest

import hubbub
from hubbub.testing.loop import virtual
from tests.client.fake import FakeHub, client_of, error
from tests.waiting import until


def now() -> float:
    return asyncio.get_running_loop().time()


def jwt(expires: float) -> str:
    body = base64.urlsafe_b64encode(json.dumps({"exp": expires}).encode()).decode().rstrip("=")
    return f"e30.{body}.x"


@virtual
async def test_a_token_is_asked_for_every_connection() -> None:
    hub = FakeHub()
    tokens = iter("abcdef")

    async def token() -> str:
        await asyncio.sleep(0.5)
        return next(tokens)

    async with client_of(hub, token=token) as client:
        assert (hub.socket.token, hub.heard("hello")[0]["payload"]["token"]) == ("a", "a")
        hub.socket.drop(4401)
        await until(lambda: client.state.phase == "connected" and len(hub.sockets) == 2)
        assert (hub.socket.token, hub.heard("restore_session")[0]["payload"]["token"]) == ("b", "b")


@virtual
async def test_two_refused_tokens_in_a_row_are_enough() -> None:
    hub = FakeHub()
    asked: list[int] = []

    def token() -> str:
        asked.append(1)
        return str(len(asked))

    async with client_of(hub, token=token) as client:
        hub.answers["restore_session"] = lambda *_: error("unauthorized")
        hub.socket.drop(4401)
        await until(lambda: client.state.phase == "closed")
        assert len(asked) == 2


@virtual
async def test_a_token_that_cannot_be_had_now_is_asked_for_again() -> None:
    hub = FakeHub()
    answers = iter(["a", None, None, "b"])

    def token() -> str:
        answer = next(answers)
        if answer is None:
            raise OSError("the identity provider is down")
        return answer

    async with client_of(hub, token=token) as client:
        hub.socket.drop()
        await until(lambda: client.state.phase == "connected" and len(hub.sockets) == 2)
        assert hub.socket.token == "b"
    with pytest.raises(hubbub.TryLater):
        async with client_of(hub, token=lambda: 1 / 0):
            pass


@virtual
async def test_a_token_is_renewed_before_it_expires() -> None:
    hub = FakeHub()
    wall = 1_000_000.0
    began = now()

    def clock() -> int:
        return int((wall + now() - began) * 1000)

    issued: list[float] = []

    def token() -> str:
        issued.append(now() - began)
        return jwt(clock() / 1000 + 300)

    async with client_of(hub, token=token, wall=clock):
        await asyncio.sleep(1000)
        refreshed = hub.heard("refresh")
        assert issued == pytest.approx([0, 270, 540, 810])
        assert len(refreshed) == 3
        assert len(hub.sockets) == 1
        hub.answers["refresh"] = lambda *_: error("unavailable")
        await asyncio.sleep(100)
        assert len(hub.heard("refresh")) == 4


@virtual
async def test_the_server_asks_for_a_new_token() -> None:
    hub = FakeHub()
    tokens = iter("abc")
    async with client_of(hub, token=lambda: next(tokens)) as client:
        errors: list[Any] = []
        client.on("error", errors.append)
        hub.socket.say(error("token_expired"))
        await asyncio.sleep(1)
        assert [m["payload"]["token"] for m in hub.heard("refresh")] == ["b"]
        assert errors[0].code == "token_expired"


@virtual
async def test_the_program_may_refresh_by_itself() -> None:
    hub = FakeHub()
    async with client_of(hub, token="old") as client:
        await client.refresh("new")
        assert hub.heard("refresh")[0]["payload"] == {"token": "new"}
        hub.socket.drop()
        await until(lambda: len(hub.sockets) == 2 and client.state.phase == "connected")
        assert hub.socket.token == "new"
        hub.answers["refresh"] = lambda *_: error("unauthorized")
        with pytest.raises(hubbub.Denied):
            await client.refresh("bad")

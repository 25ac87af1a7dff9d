"""Authentication by token and by callback, authorization, tokens that expire."""

import time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

import hubbub
from hubbub.app.authentication import JwtAuthentication
from tests.sockets import application, serving, upgrade, ws

SECRET = "a secret of more than thirty-two bytes"
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PUBLIC = (
    RSA.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()
)


def token(**claims: Any) -> str:
    return jwt.encode({"sub": "ann", "exp": time.time() + 60, **claims}, SECRET, "HS256")


def test_hs256_and_rs256() -> None:
    user = JwtAuthentication(hubbub.JwtSettings(secret=SECRET)).verify(token(plan="paid", groups=["vip"]))
    assert (user.name, user.attributes["plan"], user.groups) == ("ann", "paid", frozenset({"vip"}))
    signed = jwt.encode({"sub": "bob"}, RSA, "RS256")
    assert JwtAuthentication(hubbub.JwtSettings(public_key=PUBLIC)).verify(signed).name == "bob"


BAD = {
    "expired": token(exp=time.time() - 1),
    "another key": jwt.encode({"sub": "ann"}, "another secret of thirty-two bytes!!", "HS256"),
    "no signature": jwt.encode({"sub": "ann"}, None, "none"),
    "no subject": jwt.encode({"exp": time.time() + 60}, SECRET, "HS256"),
    "no name": token(sub="a\x00"),
    "not yet": token(nbf=time.time() + 60),
    "garbage": "x.y.z",
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_bad_tokens(bad: str) -> None:
    with pytest.raises(hubbub.Denied) as raised:
        JwtAuthentication(hubbub.JwtSettings(secret=SECRET)).verify(bad)
    assert raised.value.code == "unauthorized"


def test_a_token_does_not_choose_its_algorithm() -> None:
    with pytest.raises(hubbub.Denied):
        JwtAuthentication(hubbub.JwtSettings(public_key=PUBLIC)).verify(token())


def test_audience_and_issuer() -> None:
    check = JwtAuthentication(hubbub.JwtSettings(secret=SECRET, audience="us", issuer="me"))
    assert check.verify(token(aud="us", iss="me")).name == "ann"
    for claims in ({"aud": "them", "iss": "me"}, {"aud": "us", "iss": "other"}, {}):
        with pytest.raises(hubbub.Denied):
            check.verify(token(**claims))


async def test_tokens_in_header_hello_and_cookie() -> None:
    async with serving(anonymous=False, jwt=hubbub.JwtSettings(secret=SECRET)) as app:
        async with hubbub.connect(ws(app), token=token()) as client:
            assert client.user == "ann"
        socket = await upgrade(app.url)
        assert (await socket.ask({"type": "hello", "payload": {"token": token()}}))["payload"]["user"] == "ann"
        socket.close()
        cookie = f"a=b; hubbub_token={token()}"
        socket = await upgrade(app.url, Cookie=cookie, Origin=app.url)
        assert (await socket.ask({"type": "hello"}))["payload"]["user"] == "ann"
        socket.close()
        socket = await upgrade(app.url, Cookie=cookie)
        assert (await socket.ask({"type": "hello"}))["code"] == "unauthorized"
        socket.close()


async def test_beside_tokens_anonymous_users_are_told_apart() -> None:
    async with serving(jwt=hubbub.JwtSettings(secret=SECRET)) as app:
        async with hubbub.connect(ws(app), user="ann") as client:
            assert client.user.startswith("anon-")
        async with hubbub.connect(ws(app), user="anon-me") as client:
            assert client.user == "anon-me"
        with pytest.raises(hubbub.Denied):
            await hubbub.connect(ws(app), token=token(exp=1))


async def test_a_token_is_refreshed_for_the_same_user_only() -> None:
    async with serving(anonymous=False, jwt=hubbub.JwtSettings(secret=SECRET)) as app:
        socket = await upgrade(app.url)
        await socket.ask({"type": "hello", "payload": {"token": token()}})
        assert (await socket.ask({"type": "refresh", "payload": {"token": token(exp=time.time() + 600)}}))[
            "type"
        ] == "ack"
        other = await socket.ask({"type": "refresh", "payload": {"token": token(sub="bob")}})
        assert other["code"] == "forbidden"
        assert (await socket.ask({"type": "refresh", "payload": {"token": "x"}}))["code"] == "unauthorized"
        assert (await socket.ask({"type": "ping"}))["type"] == "pong"
        socket.close()


@pytest.mark.parametrize("later", [False, True])
async def test_the_applications_own_rules(later: bool) -> None:
    app = hubbub.Hubbub(port=0, open_rooms=True)

    def who(upgrade: hubbub.Upgrade, hello: Any) -> hubbub.User | None:
        return hubbub.User(hello.token, {"staff": hello.token == "boss"}) if hello.token != "nobody" else None

    def may(user: hubbub.User, action: str, channel: str) -> bool | None:
        if channel == "room:staff":
            return bool(user.attributes["staff"])
        if action == "publish" and channel == "all":
            return user.name == "boss"
        return None

    async def who_later(upgrade: hubbub.Upgrade, hello: Any) -> hubbub.User | None:
        return who(upgrade, hello)

    async def may_later(user: hubbub.User, action: str, channel: str) -> bool | None:
        return may(user, action, channel)

    app.authenticate(who_later if later else who)
    app.authorize(may_later if later else may)
    async with serving(app):
        with pytest.raises(hubbub.Denied):
            await hubbub.connect(ws(app), token="nobody")
        async with hubbub.connect(ws(app), token="ann") as ann, hubbub.connect(ws(app), token="boss") as boss:
            with pytest.raises(hubbub.Denied):
                await ann.join("room:staff")
            await boss.join("room:staff")
            await ann.join("room:den")
            with pytest.raises(hubbub.Denied):
                await ann.publish("all", "hear me")
            heard = ann.subscribe("all")
            await heard.begin()
            await boss.publish("all", "hear me")
            assert (await anext(heard)).sender == "boss"


async def test_an_authenticate_that_fails_lets_nobody_in() -> None:
    app = hubbub.Hubbub(port=0)

    @app.authenticate
    async def broken(upgrade: hubbub.Upgrade, hello: Any) -> hubbub.User:
        raise RuntimeError("database down")

    async with serving(app):
        socket = await upgrade(app.url)
        answer = await socket.ask({"type": "hello"})
        assert (answer["code"], "database" in str(answer)) == ("internal", False)
        text = application("text", "ann", "topic:a.b", {"content": "hi"})
        assert (await socket.ask(text))["code"] in {"internal", "unauthorized"}
        socket.close()

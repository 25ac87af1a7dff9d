"""Who gets in: anonymous users, tokens, or whatever the application decides."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from inspect import isawaitable
from typing import Any

import jwt
from msgspec import UNSET

from hubbub.config import JwtSettings
from hubbub.errors import BadMessage, Denied
from hubbub.hub.users import User
from hubbub.protocol.channels import is_valid_user
from hubbub.protocol.payloads import Hello
from hubbub.server.gate import Upgrade

Authenticate = Callable[[Upgrade, Hello], Awaitable["User | None"] | User | None]
"""Gets the upgrade request and the hello; returns the user, or None for nobody known."""

ANONYMOUS_PREFIX = "anon-"


class JwtAuthentication:
    """Verifies JSON Web Tokens (RFC 7519): HS256 with a secret, RS256 with a public key. Expiry is honoured.

    The user's name is the claim `sub` (or `user_claim`), its attributes are all claims, and a claim `groups`,
    a list of names, puts it into these groups.
    """

    def __init__(self, settings: JwtSettings) -> None:
        self._settings = settings
        self._key = settings.secret or settings.public_key
        # One algorithm only, chosen here: a token does not get to choose how it is verified.
        self._algorithm = "HS256" if settings.secret else "RS256"

    def __call__(self, upgrade: Upgrade, hello: Hello) -> User | None:
        token = token_of(upgrade, hello)
        return None if token is None else self.verify(token)

    def verify(self, token: str) -> User:
        """The user that a token stands for. Raises `Denied` (`unauthorized`)."""
        settings = self._settings
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                self._key,
                algorithms=[self._algorithm],
                audience=settings.audience or None,
                issuer=settings.issuer or None,
                options={"require": [settings.user_claim], "verify_aud": bool(settings.audience)},
            )
        except jwt.ExpiredSignatureError:
            raise Denied("unauthorized", "the token expired", field="payload.token") from None
        except jwt.InvalidTokenError as error:
            raise Denied("unauthorized", f"the token is not valid: {error}", field="payload.token") from None
        name = claims.get(settings.user_claim)
        if not isinstance(name, str) or not is_valid_user(name):
            raise Denied("unauthorized", f"the token's {settings.user_claim} is no user's name")
        groups = claims.get("groups", [])
        named = frozenset(group for group in groups if isinstance(group, str)) if isinstance(groups, list) else ()
        return User(name, claims, frozenset(named), expires_at=claims.get("exp"))


class Authentication:
    """The application's rule: who is known gets in as such, others only where anonymous users are allowed."""

    def __init__(self, authenticate: Authenticate | None, *, anonymous: bool) -> None:
        self._authenticate = authenticate
        self._anonymous = anonymous

    def __call__(self, upgrade: Upgrade, hello: Hello) -> Awaitable[User] | User:
        """The user. Raises `Denied` (`unauthorized`)."""
        if self._authenticate is None:
            return self._decide(None, upgrade, hello)
        result = self._authenticate(upgrade, hello)
        if isawaitable(result):
            return self._decide_later(result, upgrade, hello)
        return self._decide(result, upgrade, hello)

    async def _decide_later(self, result: Awaitable[User | None], upgrade: Upgrade, hello: Hello) -> User:
        return self._decide(await result, upgrade, hello)

    def _decide(self, user: User | None, upgrade: Upgrade, hello: Hello) -> User:
        if user is not None:
            return user
        if not self._anonymous:
            raise Denied("unauthorized", "a token is needed", field="payload.token")
        if self._authenticate is not None and token_of(upgrade, hello) is not None:
            raise Denied("unauthorized", "the token is not known", field="payload.token")
        return User(self._anonymous_name(hello), anonymous=True)

    def _anonymous_name(self, hello: Hello) -> str:
        wanted = hello.user
        if wanted is UNSET:
            return ANONYMOUS_PREFIX + secrets.token_hex(4)
        if not is_valid_user(wanted):
            raise BadMessage(
                "invalid_message", "a name has 1 to 255 bytes and no control characters", field="payload.user"
            )
        # Where some users prove who they are, nobody else may take a name like theirs.
        if self._authenticate is not None and not wanted.startswith(ANONYMOUS_PREFIX):
            return ANONYMOUS_PREFIX + secrets.token_hex(4)
        return wanted


def token_of(upgrade: Upgrade, hello: Hello) -> str | None:
    """The token in the hello, else in the upgrade's header or cookie."""
    return upgrade.token if hello.token is UNSET else hello.token

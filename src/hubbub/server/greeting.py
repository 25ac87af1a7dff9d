"""A peer's first message: it says hello, or proves to be a session that it had before."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable
from inspect import isawaitable
from typing import Any, TypeVar

from msgspec import UNSET

from hubbub.errors import Denied, InternalError, ProtocolError, TryLater, error_of
from hubbub.hub.connection import Connection, State
from hubbub.hub.hub import Hub
from hubbub.hub.permissions import Action
from hubbub.hub.session import Session, digest_of
from hubbub.hub.sessions import TooManyConnections
from hubbub.hub.users import User
from hubbub.protocol.messages import AckMessage, HelloMessage, Message, RefreshMessage, RestoreSessionMessage
from hubbub.protocol.payloads import Hello, RestoreSession
from hubbub.protocol.versions import LOWEST, ProtocolVersion, negotiate, parse_version
from hubbub.protocol.wire import profile_of
from hubbub.server.gate import Gate, Upgrade

log = logging.getLogger("hubbub.server")

T = TypeVar("T")

MAX_FAILURES = 5
"""Unknown sessions that one connection may ask for; then it is closed."""

_CLAIMS = 3
"""How often a session is claimed that other nodes claim at the same time."""


class Greeting:
    """What happens before a connection has a session. It may take several messages: a refused one is no greeting."""

    __slots__ = ("_connection", "_failures", "_gate", "_hub", "_upgrade", "is_implicit")

    def __init__(self, hub: Hub, gate: Gate, upgrade: Upgrade, connection: Connection) -> None:
        self._hub = hub
        self._gate = gate
        self._upgrade = upgrade
        self._connection = connection
        self._failures = 0
        self.is_implicit = False
        """Whether the peer began with something else, which counts as an empty hello before it."""

    def handle(self, message: Message) -> Awaitable[None] | None:
        """Whether it led to a session is seen by the connection's state."""
        self.is_implicit = False
        try:
            if isinstance(message, RestoreSessionMessage):
                return self._guarded(message, self._restore(message))
            if isinstance(message, HelloMessage):
                return self._greet(message, Hello() if message.payload is UNSET else message.payload)
            if not self._hub.settings.anonymous:
                raise Denied("unauthorized", "say hello first, with a token")
            self.is_implicit = True
            return self._greet(message, Hello(user=message.sender))
        except ProtocolError as error:
            refuse(self._hub, self._connection, message, error)
            return None

    def _greet(self, message: Message, hello: Hello) -> Awaitable[None] | None:
        """Says welcome to whom the gate lets in."""
        _negotiated(message)
        result = self._gate.authenticate(self._upgrade, hello)
        if isawaitable(result):
            return self._guarded(message, self._greet_later(message, hello, result))
        return self._welcome(message, hello, result)

    async def _greet_later(self, message: Message, hello: Hello, result: Awaitable[User]) -> None:
        welcomed = self._welcome(message, hello, await result)
        if welcomed is not None:
            await welcomed

    async def _guarded(self, message: Message, work: Awaitable[None]) -> None:
        try:
            await work
        except ProtocolError as error:
            refuse(self._hub, self._connection, message, error)
            if self._failures >= MAX_FAILURES and self._connection.state is State.OPENING:
                self._hub.close(self._connection, 4429, "too many unknown sessions")
        except Exception:
            log.exception("the greeting of connection %s failed", self._connection.id)
            refuse(self._hub, self._connection, message, InternalError())

    async def _require_place(self, session: Session) -> None:
        """Raises `TryLater` where the user has as many connections, over all nodes, as one may have."""
        answer: asyncio.Future[ProtocolError | None] = asyncio.get_running_loop().create_future()
        self._hub.roster.connected(session, lambda error: _settle(answer, error))
        error = await answer
        if error is not None:
            raise error

    def _welcome(self, message: Message, hello: Hello, user: User) -> Awaitable[None] | None:
        connection = self._connection
        if connection.state is not State.OPENING:
            return None
        self._hub.sessions.require_place(user.name)
        profile = profile_of(connection.profile.codec, _negotiated(message), connection.profile.deflate)
        client: dict[str, Any] = {} if hello.profile is UNSET else hello.profile
        message_id = None if self.is_implicit or message.message_id is UNSET else message.message_id
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._hub.welcome(connection, user, profile, client, message_id, lambda: _settle(done, None))
        return None if done.done() else done

    # --- Coming back -----------------------------------------------------------------------------------

    async def _restore(self, message: RestoreSessionMessage) -> None:
        hub, connection = self._hub, self._connection
        wanted = RestoreSession() if message.payload is UNSET else message.payload
        version = None if message.version is UNSET else _negotiated(message)
        if wanted.ticket is not UNSET:
            self._redeem(message.session_id, wanted.ticket)
        session, user, forbidden = await self._obtain(message.session_id, wanted)
        try:
            hub.sessions.require_place(session.user.name, session)
            await self._require_place(session)
        except TryLater:
            if session.connection is None:
                hub.vault.give_back(session)
            raise
        if connection.state is not State.OPENING or hub.sessions.find(session.digest) is not session:
            hub.roster.disconnected(session)
            if session.connection is None:
                hub.vault.give_back(session)
            return
        _check_attempt(session, wanted)
        session.attempt = session.attempt if wanted.attempt is UNSET else wanted.attempt
        if user is not None:
            session.user = user
            hub.groups.refresh(session)
        profile = profile_of(connection.profile.codec, version or session.version, connection.profile.deflate)
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        hub.restore(
            connection,
            session,
            profile,
            id=message.session_id,
            positions=wanted.positions,
            forbidden=forbidden,
            message_id=None if message.message_id is UNSET else message.message_id,
            then=lambda: _settle(done, None),
        )
        await done

    def _redeem(self, id: str, ticket: str) -> None:
        """Raises `Denied` (`forbidden`) for a ticket that was not given for this session and this node, or is used."""
        hub = self._hub
        self._bound_guesses()
        if not hub.tickets.redeem(digest_of(id), ticket, hub.clock()):
            self._count_guess()
            raise Denied("forbidden", "the ticket is not valid here", field="payload.ticket")

    async def _obtain(self, id: str, wanted: RestoreSession) -> tuple[Session, User | None, set[str]]:
        """The session, this hub's own by now, the user a token named anew, and the channels that are forbidden.

        Raises `Denied`, and `TryLater` when other nodes were faster again and again.
        """
        hub = self._hub
        for _ in range(_CLAIMS):
            session = await self._find(id)
            try:
                _check_attempt(session, wanted)
                user = await self._prove(session, wanted)
                forbidden = await self._forbidden(user or session.user, session)
                is_ours = hub.sessions.find(session.digest) is session or await self._claim(session)
            except BaseException:
                # Also when the peer has gone: then nobody knows whether it was claimed already.
                if session.connection is None:
                    hub.vault.give_back(session)
                self._discard(session)
                raise
            if is_ours:
                return session, user, forbidden
            self._discard(session)
        raise error_of("unavailable", "the session is being restored elsewhere", retry_after_ms=1000)

    async def _find(self, id: str) -> Session:
        """The session with this id, also where another process kept it. Raises `Denied`, `TryLater`."""
        hub = self._hub
        digest = digest_of(id)
        session = hub.sessions.find(digest)
        if session is not None and not hub.vault.is_shared:
            return session
        if session is None:
            self._bound_guesses()
        loaded: asyncio.Future[Session | ProtocolError | None] = asyncio.get_running_loop().create_future()
        hub.vault.load(digest, lambda found: _settle(loaded, found))
        found = await loaded
        if isinstance(found, ProtocolError):
            raise found
        if found is None:
            self._count_guess()
            raise _expired()
        return found

    async def _claim(self, session: Session) -> bool:
        """Makes a session that was loaded this hub's own, unless another one was faster, or was restored here."""
        hub = self._hub
        claimed: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        hub.vault.claim(session, lambda done: _settle(claimed, done))
        return await claimed and hub.sessions.adopt(session)

    def _discard(self, session: Session) -> None:
        """A session that was loaded, and is not to be this hub's after all, leaves nothing behind."""
        if self._hub.sessions.find(session.digest) is not session:
            self._hub.sessions.release(session)

    def _bound_guesses(self) -> None:
        """Guessing is hopeless, and made slow all the same. Raises `TryLater`."""
        retry = self._hub.restores.refuse_for(self._upgrade.address, self._hub.clock())
        if retry is not None:
            raise error_of("rate_limited", "too many unknown sessions", retry_after_ms=int(retry * 1000) + 1)

    def _count_guess(self) -> None:
        self._hub.restores.count(self._upgrade.address, self._hub.clock())
        self._failures += 1

    async def _prove(self, session: Session, wanted: RestoreSession) -> User | None:
        """The user that a token names anew, who must be the session's; None without a token.

        Raises `Denied`: `forbidden` for another user's token, `token_expired` where a new one is needed.
        """
        hub = self._hub
        if wanted.token is UNSET and self._upgrade.token is None:
            expires = session.user.expires_at
            if expires is not None and hub.wall_ms() / 1000 > expires + hub.settings.token_grace:
                raise Denied("token_expired", "the token expired", field="payload.token")
            return None
        hello = Hello()
        if wanted.token is not UNSET:
            hello.token = wanted.token
        result = self._gate.authenticate(self._upgrade, hello)
        user = await result if isawaitable(result) else result
        if user.name != session.user.name:
            raise Denied("forbidden", "the session is another user's", field="payload.token")
        return user

    async def _forbidden(self, user: User, session: Session) -> set[str]:
        """The session's channels that the application forbids now, and from which its user was kicked meanwhile."""
        wanted: list[tuple[Action, str]] = [("join", room.channel) for room in session.rooms.values()]
        wanted += [("subscribe", topic) for topic in set((session.subscriptions or {}).values())]
        forbidden = self._hub.roster.missed_kicks(session)
        for action, channel in wanted:
            verdict = self._gate.permits(user, action, channel)
            if (await verdict if isawaitable(verdict) else verdict) is False:
                forbidden.add(channel)
        return forbidden


async def refresh(hub: Hub, gate: Gate, connection: Connection, message: RefreshMessage) -> None:
    """A new token for the session's user."""
    session = connection.session
    assert session is not None
    try:
        result = gate.authenticate(Upgrade("/ws", {}, None), Hello(token=message.payload.token))
        user = await result if isawaitable(result) else result
        if user.name != session.user.name:
            raise Denied("forbidden", "the token is another user's", field="payload.token")
    except ProtocolError as error:
        refuse(hub, connection, message, error)
        return
    session.user = user
    hub.groups.refresh(session)
    hub.vault.keep(session, lambda: hub.outbox.send(connection, AckMessage(message_id=message.message_id)))


def refuse(hub: Hub, connection: Connection, message: Message, error: ProtocolError) -> None:
    """Answers with an error; who did not get in, for want of a token or a place, is closed."""
    if message.message_id is not UNSET:
        error.message_id = message.message_id
    hub.outbox.send_error(connection, error)
    if connection.state is not State.OPENING:
        return
    if error.code in {"unauthorized", "token_expired"}:
        hub.close(connection, 4401, error.code)
    elif isinstance(error, TooManyConnections):
        hub.close(connection, 4429, error.reason)


def _negotiated(message: Message) -> ProtocolVersion:
    return negotiate(LOWEST if message.version is UNSET else parse_version(message.version))


def _check_attempt(session: Session, wanted: RestoreSession) -> None:
    """Raises `Denied` (`forbidden`) when the client gave up this attempt, and a later one came before it."""
    if wanted.attempt is not UNSET and wanted.attempt <= session.attempt:
        raise Denied("forbidden", "a later attempt has the session", field="payload.attempt")


def _expired() -> Denied:
    return Denied("session_expired", "there is no such session: say hello", field="sessionId")


def _settle(future: asyncio.Future[T], value: T) -> None:
    """The connection may have ended, and its task been cancelled, meanwhile."""
    if not future.done():
        future.set_result(value)

"""Moves connections to other nodes, make before break (docs/protocol.md section 4.1)."""

from __future__ import annotations

import asyncio
import logging
import math
import secrets
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from hubbub.errors import Conflict, ProtocolError, error_of
from hubbub.hub.session import Session
from hubbub.hub.tickets import hash_of
from hubbub.node.balancing import Aiming, Spreading
from hubbub.node.members import Members, is_open
from hubbub.node.ownership import SharedVault
from hubbub.node.post import Post, Prepare, Prepared
from hubbub.ports import NodeRecord
from hubbub.protocol.messages import MigrateMessage
from hubbub.protocol.payloads import Migrate

if TYPE_CHECKING:
    from hubbub.hub.hub import Hub

log = logging.getLogger("hubbub.migration")

ATTEMPTS = 3
PAUSE = 2.0
"""Seconds between two attempts."""

_PREPARATION = 2.0
"""Seconds that the target has to say that it is ready."""

_SLACK = 1.0
"""Seconds beyond the client's deadline in which the target's word may be under way."""

RATE = 100.0
"""Connections that a drain moves in a second; more, when that would take longer than it may."""

_WAVE = 0.25
"""Seconds before its time at which a client of a drain is told at the earliest."""

Choice = Callable[[set[str]], NodeRecord | None]
"""A node to go to, without these."""


class _Move:
    """One session on its way, from the first attempt to the last."""

    __slots__ = ("outcome", "prepared", "target")

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.target = ""
        self.prepared: asyncio.Future[bool] = loop.create_future()
        self.outcome: asyncio.Future[bool] = loop.create_future()
        """True: the session is at another node. False: its connection has ended, and it is not."""

    def give_up(self) -> None:
        if not self.outcome.done():
            self.outcome.set_result(False)


class Migrations:
    """At most one move at a time for each session.

    An attempt has five steps. The target prepares: it keeps a ticket, and says that it is ready. The session is
    saved, for the target to find. The client is told; from now on it publishes nothing, and restores its session at
    the target with the ticket. The target takes the session, by its fence, and says so. This node lets go of it and
    closes the old connection with 1000. Until then the old connection is served as ever, and whatever fails on
    the way, it goes on being so.
    """

    def __init__(self, hub: Hub, members: Members, post: Post, vault: SharedVault, *, timeout: float) -> None:
        """`timeout`: seconds that a client has for one attempt, from its slot on."""
        self._hub = hub
        self._members = members
        self._post = post
        self._vault = vault
        self._timeout = timeout
        self._moves: dict[Session, _Move] = {}
        self.rate = RATE
        self.moved = 0
        """Sessions that went to another node."""
        vault.is_moving = self._is_moving
        hub.on_detached = self._detached
        hub.on_released = self._released
        post.on(Prepare, self._prepare)
        post.on(Prepared, self._is_prepared)

    async def move(self, connection_id: str, node: str | None = None) -> str:
        """Moves a connection of this node to another, by default to the least loaded; returns which one it is at.

        Raises `Conflict`: `not_found` for a connection or node that there is not, `already_migrating`; and `TryLater`
        (`unavailable`) when it could not be moved in three attempts: then it stays.
        """
        connection = self._hub.connections.get(connection_id)
        session = None if connection is None else connection.session
        if session is None or not session.is_present or session.connection is not connection:
            raise Conflict("not_found", f"there is no connection {connection_id} here")
        if node is not None and (node == self._members.name or self._members.find(node) is None):
            raise Conflict("not_found", f"there is no other node {node}")
        choice = self._members.least_loaded if node is None else Aiming(self._members, node)
        target = await self._move(session, choice, 0.0)
        if target is None:
            raise error_of("unavailable", "the connection could not be moved: it stays", retry_after_ms=10_000)
        return target

    async def drain(self, over: float) -> int:
        """Moves everyone away, spread over at most so many seconds; returns how many went.

        Every connection goes to the node with the fewest then, counting those that are on their way.
        """
        choice = Spreading(self._members)
        return await self._send_all([(session, choice) for session in self._present()], over)

    async def share(self, targets: dict[str, int], over: float) -> int:
        """Moves so many to each of these nodes, spread over at most so many seconds; returns how many went."""
        choices = [Aiming(self._members, node) for node, count in targets.items() for _ in range(count)]
        return await self._send_all(list(zip(self._present(), choices, strict=False)), over)

    def _present(self) -> list[Session]:
        sessions = [connection.session for connection in self._hub.connections.values()]
        return [session for session in sessions if session is not None and session.is_present]

    async def _send_all(self, going: Sequence[tuple[Session, Choice]], over: float) -> int:
        """Whoever could not be moved is still here when this returns."""
        if not going or self._members.least_loaded({self._members.name}) is None:
            return 0
        log.info("%d connections move to other nodes", len(going))
        spread = min(over, len(going) / self.rate)
        before = self.moved
        async with asyncio.TaskGroup() as tasks:
            for number, (session, choice) in enumerate(going):
                tasks.create_task(self._send_away(session, choice, spread * number / len(going)))
        return self.moved - before

    async def _send_away(self, session: Session, choose: Choice, slot: float) -> None:
        # A client that was told does not publish: it is told no sooner than it must.
        wave = math.floor(slot / _WAVE) * _WAVE
        await asyncio.sleep(wave)
        try:
            await self._move(session, choose, slot - wave)
        except ProtocolError as error:
            log.debug("a connection is not moved: %s", error)
        except Exception:
            log.exception("a connection could not be moved")

    # --- One move --------------------------------------------------------------------------------------

    async def _move(self, session: Session, choose: Choice, delay: float) -> str | None:
        """The node where it is now, None when it stays."""
        if session in self._moves:
            raise Conflict("already_migrating", "the connection is being moved already")
        move = self._moves[session] = _Move()
        failed = {self._members.name}
        try:
            for attempt in range(ATTEMPTS):
                if attempt:
                    await asyncio.sleep(PAUSE)
                target = choose(failed)
                if move.outcome.done() or not session.is_present:
                    break
                if target is not None:
                    if await self._attempt(move, session, target, delay):
                        return target.name
                    failed.add(target.name)
                delay = 0.0
            return None
        finally:
            self._moves.pop(session, None)

    async def _attempt(self, move: _Move, session: Session, target: NodeRecord, delay: float) -> bool:
        connection = session.connection
        assert connection is not None
        move.target = target.name
        move.prepared = asyncio.get_running_loop().create_future()
        ticket = secrets.token_urlsafe(24)
        patience = delay + self._timeout + _SLACK
        prepare = Prepare(session.digest.hex(), hash_of(ticket), _PREPARATION + patience, self._members.name)
        self._post.send(target.name, prepare)
        if not await _within(_PREPARATION, move.prepared):
            log.info("node %s is not ready for a connection", target.name)
            return False
        if not await self._vault.save(session) or session.connection is not connection:
            return False
        payload = Migrate(
            url=target.url, ticket=ticket, delay_ms=int(delay * 1000), deadline_ms=int(self._timeout * 1000)
        )
        self._hub.outbox.send(connection, MigrateMessage(payload=payload))
        return await _within(patience, move.outcome)

    def _is_moving(self, session: Session, node: str) -> bool:
        move = self._moves.get(session)
        return move is not None and move.target == node

    def _released(self, session: Session) -> None:
        """It is another node's now: the one it was sent to, or one that the client went to by itself."""
        move = self._moves.get(session)
        if move is not None and not move.outcome.done():
            self.moved += 1
            move.outcome.set_result(True)

    def _detached(self, session: Session) -> None:
        """Its connection has ended. If that is because it is at the target, the target will say so soon."""
        move = self._moves.get(session)
        if move is not None:
            asyncio.get_running_loop().call_later(_SLACK, move.give_up)

    # --- The target ------------------------------------------------------------------------------------

    def _prepare(self, mail: Prepare) -> None:
        """A session is about to come here."""
        ready = is_open(self._members.record)
        if ready:
            digest = bytes.fromhex(mail.digest)
            self._hub.tickets.expect(digest, mail.ticket, self._hub.clock() + mail.seconds)
        self._post.send(mail.node, Prepared(mail.digest, self._members.name, ready))

    def _is_prepared(self, mail: Prepared) -> None:
        session = self._hub.sessions.find(bytes.fromhex(mail.digest))
        move = None if session is None else self._moves.get(session)
        if move is not None and move.target == mail.node and not move.prepared.done():
            move.prepared.set_result(mail.ready)


async def _within(seconds: float, outcome: asyncio.Future[bool]) -> bool:
    """What comes of it, False when nothing does in time."""
    done, _ = await asyncio.wait((outcome,), timeout=seconds)
    return bool(done) and outcome.result()

"""Going on at another node while the old connection is still served: make before break (docs/protocol.md, 4.1)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol
from urllib.parse import urlsplit

from hubbub.client.connection import Conduct, Connection
from hubbub.client.recovery import Recovery
from hubbub.errors import ConnectionClosed, HubbubError
from hubbub.protocol import messages
from hubbub.protocol.messages import Message
from hubbub.protocol.payloads import Migrate

log = logging.getLogger("hubbub.client")

_MAX_DELAY = 300.0
_MAX_DEADLINE = 60.0
"""Seconds. A client that is told to wait publishes nothing meanwhile, so that it does not wait for ever."""

_FAREWELL = 5.0
"""Seconds that the old node has to end the old connection; then this client does."""


class Mover(Protocol):
    """What a move needs of the link."""

    def make(self, conduct: Conduct) -> Connection:
        """A connection that is not open yet."""
        ...

    def open(self, connection: Connection, url: str) -> Awaitable[bool]:
        """Connects, and introduces this client."""
        ...

    def adopt(self, connection: Connection, url: str) -> None:
        """This one, at `url`, is the client's from now on; the one from before is not."""
        ...

    def begin(self, connection: Connection, *, resumed: bool) -> Awaitable[None]:
        """It is established: the session is put in order over it."""
        ...


class Arrival:
    """Implements `hubbub.client.connection.Conduct` for a connection that is to take over."""

    def __init__(self, conduct: Recovery, ticket: str, arrived: Callable[[], None]) -> None:
        """`arrived` is called when the session is restored, before anything that comes over the connection."""
        self._conduct = conduct
        self._ticket = ticket
        self._arrived = arrived
        self.received = conduct.received
        self.checked = conduct.checked
        self.settle = conduct.settle

    @property
    def heartbeat(self) -> float:
        return self._conduct.heartbeat

    @property
    def max_message(self) -> int:
        return self._conduct.max_message

    def greeting(self, token: str | None) -> Message:
        return self._conduct.greeting(token, self._ticket)

    def expired(self, token: str | None) -> Message | None:
        """Whatever is wrong with the session there, it is well where it is."""
        return None

    def welcomed(self, message: messages.WelcomeMessage) -> None:
        """Nobody said hello."""

    def restored(self, message: messages.SessionRestoredMessage) -> None:
        self._arrived()
        self._conduct.restored(message)


class Move:
    """One attempt. Until the session is restored at the new node, the old connection is the client's.

    Both are read until then, in effect: the new one goes on from what was received when it introduced itself, so that
    what comes over both is known by its offset, and after it the old one has nothing that would not come anyway.
    """

    def __init__(
        self, conduct: Recovery, mover: Mover, old: Connection, order: Migrate, before: Sequence[Move] = ()
    ) -> None:
        """`before` are attempts that it supersedes: it begins when they have ended."""
        self._before = before
        self._conduct = conduct
        self._mover = mover
        self._old = old
        self._order = order
        self._new: Connection | None = None
        self._is_superseded = False
        self.has_arrived = False
        self.decided = asyncio.Event()
        """Set when the session is at the new node, or will not be."""
        self.task = asyncio.get_running_loop().create_task(self._run(), name="hubbub-move")

    def supersede(self) -> None:
        """The server has given it up, and asks anew: the client goes on waiting."""
        self._is_superseded = True
        self.task.cancel()

    async def _run(self) -> None:
        for move in self._before:
            await move.decided.wait()
        try:
            # While the session is being put in order it stays: the server will ask again.
            if self._conduct.hold():
                await self._try()
        finally:
            self.decided.set()
        if self._new is not None and self.has_arrived:
            try:
                await self._mover.begin(self._new, resumed=True)
                await self._old.farewell(_FAREWELL)
            finally:
                self._old.abort(ConnectionClosed(1000, "moved"))

    async def _try(self) -> None:
        try:
            await self._go()
        except (TimeoutError, OSError, HubbubError) as error:
            if not self.has_arrived:
                log.info("the connection stays where it is: %r", error)
        finally:
            if not self.has_arrived:
                if self._new is not None:
                    self._new.abort(ConnectionClosed(1006, "given up"))
                if self._old.is_open and not self._is_superseded:
                    self._conduct.release()

    async def _go(self) -> None:
        # Whose old connection ends has nothing to wait for.
        await asyncio.wait((self._old.ended,), timeout=min(self._order.delay_ms / 1000, _MAX_DELAY))
        self._new = self._mover.make(Arrival(self._conduct, self._order.ticket, self._arrive))
        async with asyncio.timeout(min(self._order.deadline_ms / 1000, _MAX_DEADLINE)):
            await self._mover.open(self._new, self._order.url)

    def _arrive(self) -> None:
        assert self._new is not None
        self.has_arrived = True
        self._mover.adopt(self._new, self._order.url)


def is_acceptable(url: str, own: str) -> bool:
    """Whether a client whose server is at `own` goes to `url`: from an encrypted connection only to another one."""
    scheme = urlsplit(url).scheme
    return scheme == "wss" or (scheme == "ws" and urlsplit(own).scheme != "wss")

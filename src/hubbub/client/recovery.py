"""What happens between a lost connection and the next: nothing is lost, and nothing is told twice."""

from __future__ import annotations

import logging
from collections.abc import Callable

from hubbub.client.acknowledging import Acknowledging
from hubbub.client.deliveries import Deliveries
from hubbub.client.detours import Detours
from hubbub.client.memberships import Membership, Memberships
from hubbub.client.positions import Positions
from hubbub.client.publishing import Publishing
from hubbub.client.requests import Requests
from hubbub.client.session import Session
from hubbub.errors import ConnectionClosed
from hubbub.protocol import messages
from hubbub.protocol.messages import Message
from hubbub.protocol.payloads import Position

log = logging.getLogger("hubbub.client")


class Recovery:
    """Implements `hubbub.client.connection.Conduct`.

    A session that is restored: every log goes on from what was received; unacknowledged publishes and repeatable
    requests go out again. A session that is new after one was lost: its logs are entered again with the positions
    from before, and publishes under way are of unknown outcome. Either way, what was published meanwhile
    waits until that is done.
    """

    def __init__(
        self,
        *,
        session: Session,
        positions: Positions,
        requests: Requests,
        publishing: Publishing,
        memberships: Memberships,
        deliveries: Deliveries,
        detours: Detours,
        acks: Acknowledging,
        received: Callable[[Message], None],
    ) -> None:
        """`received` gets every message of an established connection."""
        self._session = session
        self._positions = positions
        self._requests = requests
        self._publishing = publishing
        self._memberships = memberships
        self._deliveries = deliveries
        self._detours = detours
        self._acks = acks
        self.received = received
        self._unsettled: list[Membership] | None = None
        self._connections = 0
        self._greeted: dict[str, Position] = {}
        """Where the logs stood when the last restoration was asked for."""

    @property
    def heartbeat(self) -> float:
        return self._session.heartbeat

    @property
    def max_message(self) -> int:
        return self._session.max_message

    # --- Coming ----------------------------------------------------------------------------------------

    def greeting(self, token: str | None, ticket: str | None = None) -> Message:
        """What to say first over a new connection; with the `ticket` of a migration."""
        # Where acks are awaited the server's own positions are the safe ones: they may be left out.
        positions = sorted(self._positions, key=lambda item: item[0] in self._acks)
        self._greeted = dict(positions)
        return self._session.greeting(token, positions, ticket)

    def expired(self, token: str | None) -> Message:
        """The session is lost: what to say next."""
        self._session.expired()
        return self._session.hello(token)

    def welcomed(self, message: messages.WelcomeMessage) -> None:
        """A new session: the first one, or one after the last was lost."""
        self._begin()
        self._session.welcomed(message)
        self._publishing.abandon()
        given = message.payload.positions
        self._positions.keep_only(self._memberships.logs() | given.keys())
        for log, now in given.items():
            before = self._positions.get(log)
            self._deliveries.located(log, before, now, before is None or before.offset <= now.offset)
        self._settle(self._memberships.everything())

    def restored(self, message: messages.SessionRestoredMessage) -> None:
        """The session goes on. What was missed comes next, in order."""
        self._begin()
        self._session.restored(message)
        channels = message.payload.channels
        for log, found in channels.items():
            now, here = Position(found.epoch, found.offset), self._positions.get(log)
            is_beyond = _is_beyond(here, self._greeted.get(log), now)
            self._acks.located(log, now.offset if is_beyond else None)
            if not is_beyond:
                self._deliveries.located(log, here, now, found.recovered)
        self._settle(self._memberships.missing(channels))

    async def settle(self) -> None:
        """Enters again what the server has lost. It may take several answers; the connection may end meanwhile."""
        if self._unsettled is None:
            return
        connection = self._connections
        await self._memberships.restore(self._unsettled, lambda: connection == self._connections)
        if connection == self._connections:
            self._go()

    def checked(self) -> None:
        """The link was judged."""
        self._publishing.checked()

    # --- Moving ----------------------------------------------------------------------------------------

    def hold(self) -> bool:
        """Nothing is published and nothing asked for until `restored`, or `release`.

        False when that cannot be, since the session is still being put in order.
        """
        if self._unsettled is not None:
            return False
        self._publishing.suspend()
        self._requests.hold()
        return True

    def release(self) -> None:
        """It all goes on over the same connection."""
        self._publishing.resume()
        self._requests.release()

    # --- Going -----------------------------------------------------------------------------------------

    def suspended(self, reason: ConnectionClosed) -> None:
        """The connection ended."""
        self._connections += 1
        self._unsettled = None
        self._acks.suspended()
        self._publishing.suspend()
        self._requests.suspend(reason)

    def ended(self, error: ConnectionClosed) -> None:
        """There will be no other connection: everyone who waits is told."""
        self._connections += 1
        self._acks.stop()
        self._publishing.end(error)
        self._requests.end(error)
        self._deliveries.end(error)
        self._detours.stop()

    # --- Inside ----------------------------------------------------------------------------------------

    def _begin(self) -> None:
        self._connections += 1
        self._deliveries.connected()
        self._requests.settling()

    def _settle(self, missing: list[Membership]) -> None:
        """Goes on at once if there is nothing to enter again; otherwise `settle` will."""
        self._unsettled = missing or None
        if not missing:
            self._go()

    def _go(self) -> None:
        self._unsettled = None
        self._acks.resumed()
        self._publishing.repeat()
        self._requests.resume()
        self._publishing.flow()


def _is_beyond(here: Position | None, greeted: Position | None, now: Position) -> bool:
    """Whether an old connection has brought a log further, meanwhile, than the new one begins: nothing is missing.

    `greeted` is where it stood when the new one was asked for.
    """
    if here is None or here == greeted or here.epoch != now.epoch or here.offset < now.offset:
        return False
    # Otherwise the end of the log was lost, and what comes has offsets that others had.
    return greeted is None or greeted.epoch != now.epoch or greeted.offset <= now.offset

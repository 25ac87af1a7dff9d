"""The hub: who is connected, and what becomes of a message, without a single `await`.

A message goes in by `receive`; what it leads to is collected until the loop's turn ends. Then `turn` hands the
publications to the journal, delivers what was committed, and writes once to every connection.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable, Collection, Mapping
from typing import Any

from msgspec import UNSET, Raw

from hubbub.config import Settings
from hubbub.delivery.attempts import FailedAttempts
from hubbub.errors import BadMessage, Conflict, Denied, InternalError, ProtocolError
from hubbub.hub.attendance import Attendance
from hubbub.hub.audience import Audience
from hubbub.hub.awaiting import Awaiting
from hubbub.hub.beginning import Beginning, make_welcome
from hubbub.hub.catchup import CatchUp
from hubbub.hub.connection import Connection, State, Transport
from hubbub.hub.counts import Counts
from hubbub.hub.fanout import FanOut
from hubbub.hub.feed import Listener
from hubbub.hub.feeds import Feeds
from hubbub.hub.groups import Groups
from hubbub.hub.journal import Journal
from hubbub.hub.kinds import Kinds
from hubbub.hub.listeners import Listeners
from hubbub.hub.membership import Membership
from hubbub.hub.moderator import Moderator
from hubbub.hub.outbox import Outbox
from hubbub.hub.peers import Peers, Reception, Sent, Told, require_run
from hubbub.hub.publishing import Outcome, Publishing
from hubbub.hub.requests import Requests
from hubbub.hub.restoring import Restoration
from hubbub.hub.rooms import Rooms
from hubbub.hub.roster import LocalRoster, Roster
from hubbub.hub.rules import ChannelRules
from hubbub.hub.session import Session
from hubbub.hub.sessions import Sessions
from hubbub.hub.tickets import Tickets
from hubbub.hub.users import User
from hubbub.hub.vault import NoVault, Vault
from hubbub.hub.watch import Watch
from hubbub.protocol.messages import ApplicationMessage, Message, SystemMessage
from hubbub.protocol.payloads import Position, System
from hubbub.protocol.versions import HIGHEST, check_supported, parse_version
from hubbub.protocol.wire import Profile, Wire

log = logging.getLogger("hubbub.hub")


def wall_ms() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000


class Hub:
    """One node's hub. Not thread-safe: everything happens in one loop.

    `wake` is called when a turn is wanted; whoever made the hub then calls `turn` soon, once.
    """

    def __init__(
        self,
        settings: Settings,
        wire: Wire,
        wake: Callable[[], None],
        *,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], int] = wall_ms,
    ) -> None:
        self.settings = settings
        self.wire = wire
        self.catalog = wire.catalog
        self.clock = clock
        self.wall_ms = wall
        self._wake = wake
        self._awake = False
        self.journal: Journal
        self.vault: Vault = NoVault()
        self.counts = Counts()
        self.roster: Roster = LocalRoster(self)
        self.peers: Peers | None = None
        """The other hubs of the cluster, where there are any."""
        self.reception = Reception(self)
        self.connections: dict[str, Connection] = {}
        self.on_empty: Callable[[], None] | None = None
        """Called when the last connection is gone."""
        self.on_detached: Callable[[Session], None] | None = None
        """Called when a session's connection has ended."""
        self.on_released: Callable[[Session], None] | None = None
        """Called when a session is another hub's."""
        self.outbox = Outbox(wire, self.wake, settings.write_limit)
        self.attendance = Attendance(self, settings.presence_limit)
        self.membership = Membership(self, max_subscriptions=settings.max_subscriptions)
        self.rooms = Rooms(capacity=settings.room_capacity, are_open=settings.rooms_are_open, vault=lambda: self.vault)
        for room in settings.rooms:
            self.rooms.create(room.id, name=room.name, capacity=room.capacity, metadata=dict(room.metadata))
        self.moderator = Moderator(self)
        self.groups = Groups(self.membership.group_changed)
        self.feeds = Feeds(self)
        self.sessions = Sessions(
            self, ttl=settings.session_ttl, grace=settings.presence_grace, limit=settings.max_resting_sessions
        )
        self.catchup = CatchUp(self, settings.write_buffer)
        self.awaiting = Awaiting(self, settings.ack_timeout)
        self.restores = FailedAttempts(settings.restore_attempts)
        self.tickets = Tickets()
        self.rules = ChannelRules(settings.channels)
        self.kinds = Kinds(self)
        self.publishing = Publishing(self)
        self.fanout = FanOut(self)
        self.listeners = Listeners(self)
        self.watch = Watch(self, settings)
        self._handlers = Requests(self).handlers
        self.run = secrets.token_hex(4)
        """Tells this process, and its connections, from others that share its stores."""
        self._next_connection = 1

    # --- Connections -----------------------------------------------------------------------------------

    def connect(self, transport: Transport, profile: Profile) -> Connection:
        """A socket was upgraded. Nothing is known of the peer yet."""
        connection = Connection(f"{self.run}-{self._next_connection}", transport, profile, self.clock())
        self._next_connection += 1
        self.connections[connection.id] = connection
        return connection

    def welcome(
        self,
        connection: Connection,
        user: User,
        profile: Profile,
        client: dict[str, Any],
        message_id: str | None = None,
        then: Callable[[], None] = lambda: None,
    ) -> Session:
        """The peer said hello and is this user: its session begins. `client` is what it says of itself.

        `then` is called when it has its welcome, or never will.
        """
        session, id = self.sessions.begin(user, connection, client)
        connection.profile = profile
        connection.session = session
        session.version = profile.version
        welcome = make_welcome(self, session, connection, id)
        if message_id is not None:
            welcome.message_id = message_id
        Beginning(self, session, connection, welcome, then).run()
        return session

    def restore(
        self,
        connection: Connection,
        session: Session,
        profile: Profile,
        *,
        id: str,
        positions: Mapping[str, Position],
        forbidden: Collection[str] = (),
        message_id: str | None = None,
        then: Callable[[], None] = lambda: None,
    ) -> None:
        """The peer proved to be this session, and gets what it missed. `forbidden` are channels it may not read now.

        `then` is called when it has its answer, or never will.
        """
        connection.profile = profile
        connection.session = session
        session.version = profile.version
        self.sessions.attach(session, connection)
        self.membership.forbid(session, forbidden)
        Restoration(self, session, connection, id=id, positions=positions, message_id=message_id, then=then).run()

    def disconnect(self, connection: Connection) -> None:
        """The socket is gone: the connection leaves every set that it was in. Harmless when repeated.

        Its session rests, and may come back with another one.
        """
        if self.connections.pop(connection.id, None) is None:
            return
        connection.state = State.CLOSED
        self.watch.ended(connection)
        session = connection.session
        if session is not None:
            if session.connection is connection:
                self.sessions.detach(session)
                # It was to come back over this connection, and has not.
                self.vault.give_back(session)
                if self.on_detached is not None:
                    self.on_detached(session)
            connection.session = None
        if not self.connections and self.on_empty is not None:
            self.on_empty()

    def close(self, connection: Connection, code: int, reason: str) -> None:
        """Says goodbye. What was sent before goes out first; what still comes in is ignored."""
        connection.state = State.CLOSING
        self.outbox.flush(connection)
        connection.transport.close(code, reason)

    def pause(self, connection: Connection) -> None:
        """The socket does not drain: from here on the connection is read from the log, at its own pace."""
        if not connection.paused:
            connection.paused = True
            self.feeds.move(connection)

    def resume(self, connection: Connection) -> None:
        """The socket drains again."""
        if connection.paused:
            connection.paused = False
            connection.granted = 0
            self.feeds.move(connection)
            if connection.missed_presence:
                self.attendance.tell_members(connection)
            if connection.session is not None:
                self.kinds.drained(connection.session)

    def throttle(self, connection: Connection, throttled: bool) -> None:
        """The link is bad, or good enough again."""
        if connection.throttled is not throttled:
            connection.throttled = throttled
            self.feeds.move(connection)

    # --- Messages --------------------------------------------------------------------------------------

    def receive(self, connection: Connection, message: Message, verdict: bool | None = None) -> None:
        """A message of an open connection. Whatever is wrong with it is answered, never raised.

        `verdict` is what the application said of the permission it needs, None for the default.
        """
        session = connection.session
        if session is None:
            return
        try:
            if message.sender is not UNSET and message.sender != session.user.name:
                raise Denied("forbidden", "the sender is the session's user", field="sender")
            if message.version is not UNSET or not connection.profile.is_newest:
                message = self._judge_version(connection.profile, message)
            handler = self._handlers.get(type(message))
            if handler is not None:
                handler(connection, session, message, verdict)
            elif isinstance(message, ApplicationMessage):
                self.publishing.publish_from(connection, message, verdict)
            else:
                raise BadMessage("invalid_message", f"{message.type} is the server's to send", field="type")
        except ProtocolError as error:
            if message.message_id is not UNSET:
                error.message_id = message.message_id
            self.outbox.send_error(connection, error)
        except Exception:
            log.exception("%s of connection %s failed", message.type, connection.id)
            failed = InternalError()
            if message.message_id is not UNSET:
                failed.message_id = message.message_id
            self.outbox.send_error(connection, failed)

    def publish(
        self, message: ApplicationMessage, audience: Audience | None = None, outcome: Outcome | None = None
    ) -> None:
        """The application publishes. Raises `ProtocolError` for what cannot be published at all."""
        self.publishing.publish(message, audience, outcome)

    def listen(self, channel: str, listener: Listener, begun: Callable[[], None] = lambda: None) -> Callable[[], None]:
        """Calls `listener` with every message of a channel or topic pattern. Returns how to stop it.

        `begun` is called when nothing is missed any more: at once, or when the log answers.
        """
        return self.listeners.listen(channel, listener, begun)

    def tell(self, user: str, system: System, channel: str | None = None) -> None:
        """A system message to every session of a user. It is not stored."""
        message = SystemMessage(payload=system)
        if channel is not None:
            message.channel = channel
        self.tell_here(user, message)
        if self.peers is not None:
            self.peers.tell_readers(f"user:{user}", Told(user, system.content, system.level, channel))

    def tell_here(self, user: str, message: SystemMessage) -> None:
        """As `tell`, but only to the sessions of this hub."""
        for session in self.groups.sessions_of(user):
            if session.connection is not None and session.is_present:
                self.outbox.send(session.connection, message)

    def send(self, connection: str, message: ApplicationMessage) -> None:
        """A message to one connection, whichever hub has it. It is not stored, and comes at most once.

        Raises `Conflict` (`not_found`) for one that is no connection's id, or was this hub's and is gone.
        """
        run = require_run(connection)
        if run == self.run or self.peers is None:
            if not self.send_here(connection, message):
                raise Conflict("not_found", f"there is no connection {connection}")
        else:
            self.peers.tell_one(run, Sent(connection, Raw(self.wire.encode_record(message))))

    def send_here(self, id: str, message: Message) -> bool:
        """Whether this hub has the connection, and it is open."""
        connection = self.connections.get(id)
        if connection is None or connection.state is not State.OPEN:
            return False
        self.outbox.send(connection, message)
        return True

    # --- The turn --------------------------------------------------------------------------------------

    def wake(self) -> None:
        """Something is to be done when the loop's turn ends."""
        if not self._awake:
            self._awake = True
            self._wake()

    def turn(self) -> None:
        """Appends what was published, delivers what was committed, and writes."""
        self._awake = False
        try:
            batch = self.publishing.take()
            if batch:
                self.counts.appends += len(batch)
                self.journal.append(batch)
            self.catchup.step()
            self.fanout.flush()
        finally:
            self.outbox.write()

    def sweep(self) -> None:
        """What time brings: to be called about once a second."""
        now = self.clock()
        self.listeners.sweep()
        self.catchup.sweep()
        self.awaiting.sweep(now)
        self.sessions.sweep(now)
        self.tickets.sweep(now)
        self.watch.sweep(now)

    def _judge_version(self, profile: Profile, message: Message) -> Message:
        version = profile.version
        if message.version is not UNSET:
            version = parse_version(message.version)
            check_supported(version)
        return message if version == HIGHEST else self.wire.judge_newer(message, version)

"""The client: what a program does with a hub it is connected to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import UNSET

from hubbub.client.assembly import Parts
from hubbub.client.events import ConnectionState
from hubbub.client.listening import Callback, Listener, Missed
from hubbub.client.options import ClientOptions
from hubbub.client.subscription import Subscription
from hubbub.delivery.link import Quality
from hubbub.delivery.pieces import cut
from hubbub.errors import BadMessage
from hubbub.protocol import messages
from hubbub.protocol.channels import parse_channel
from hubbub.protocol.messages import Message
from hubbub.protocol.payloads import AckDetails, Position, Presence, Welcome


class Client:
    """One session with a hub, made by `connect`. It comes back by itself when its connection is lost.

    When the hub asks it to, it goes on at another node, which it reaches before it leaves the old one.
    Every method raises typed errors: a `ProtocolError` is what the server answered, `OutcomeUnknown` says that
    something was sent and nobody can say what became of it, `ConnectionClosed` that there will be no connection
    any more. Without a connection for now, everything waits for the next one: `asyncio.timeout` bounds that.
    """

    def __init__(self, url: str, options: ClientOptions | None = None) -> None:
        """Needs a running loop. `start` follows, and in the end `close`. Raises `ConfigurationError`."""
        self._parts = Parts(url, options or ClientOptions())

    async def start(self, *, background: bool = False) -> None:
        """Connects. In the background it returns at once, and attempts go on until one succeeds.

        Otherwise raises what the first attempt fails with: `Denied`, `ConnectionClosed`, `OSError`.
        """
        await self._parts.link.start(background=background)

    # --- Messages --------------------------------------------------------------------------------------

    async def publish(
        self,
        channel: str,
        payload: Any,
        *,
        type: str | None = None,
        metadata: dict[str, Any] | None = None,
        message_id: str | None = None,
        important: bool = False,
    ) -> Position:
        """Publishes, and returns the message's position once the server's log has it.

        `payload` is a payload object, a text for short, or with `type` a dict. Order is kept; without a
        connection it waits for one, and an `important` message does not wait for the next attempt, nor for a
        better link. Raises `TryLater` (`too_many_pending`) when too many wait: nothing is kept of it then.
        After `OutcomeUnknown` the caller decides: nothing is sent again behind its back.
        """
        message = self._parts.composer.publication(
            channel, payload, type=type, metadata=metadata, message_id=message_id
        )
        return await self._parts.publishing.publish(message, important=important)

    async def send_data(self, channel: str, content: bytes, mime_type: str) -> Position:
        """Publishes a large content in pieces, one after the other; returns the last one's position."""
        position = Position("", 0)
        transfer = self._parts.composer.new_id()
        for piece in cut(content, mime_type):
            piece.transfer_id = transfer
            position = await self.publish(channel, piece)
        return position

    def subscribe(self, channel: str, *, ack: bool = False, position: Position | None = None) -> Subscription:
        """Messages of a room (joined if need be), a topic or pattern, one's own inbox, or `all`.

        With `ack` the server is told what was processed, and delivers the rest again after a loss; it sends at
        most 256 messages ahead. `position` is where to begin, if the channel is not read yet. Pieces of large
        contents are joined: such a message's payload is a `Transfer`. Raises `BadMessage`.
        """
        found = parse_channel(channel)
        if (ack or position is not None) and found.kind not in ("room", "topic"):
            raise BadMessage("invalid_channel", "acks and positions are for rooms and topics", field="channel")
        return Subscription(self._parts.openings, found, ack=ack, position=position)

    async def listen(
        self,
        channel: str,
        callback: Callback,
        *,
        ack: bool = False,
        position: Position | None = None,
        on_missed: Missed | None = None,
    ) -> Listener:
        """Calls back with every message, one after the other; the callback may be a coroutine function.

        A message is processed, and with `ack` acknowledged, when the callback has returned. `on_missed` is told
        of messages that will not come. Stop it with the listener's `stop`. Raises as `Subscription.begin` does.
        """
        subscription = self.subscribe(channel, ack=ack, position=position)
        await subscription.begin()
        return Listener(subscription, callback, on_missed)

    def attach(self, channel: str, receive: Callable[[Message], None]) -> Callable[[], None]:
        """Everything that comes of a channel goes to `receive`, for channels that are neither joined nor subscribed to.

        So do refusals of what `send` sent for it. Returns how to stop that. `hubbub.collab` has documents by it.
        Raises `BadMessage` for what is no channel, `ConfigurationError` for one that is attached to already.
        """
        return self._parts.attached.add(parse_channel(channel).text, receive)

    def send(self, message: Message) -> bool:
        """Sends a control message now, under a new id; False where there is no connection, and nothing is kept.

        Raises `BadMessage` (`too_large`) for more than the server takes.
        """
        if self._parts.link.state.phase != "connected":
            return False
        if message.message_id is UNSET:
            message.message_id = self._parts.composer.new_id()
        self._parts.attached.sent(message)
        self._parts.link.send(message)
        return True

    # --- Rooms -----------------------------------------------------------------------------------------

    async def join(self, room: str, *, position: Position | None = None, ack: bool = False) -> AckDetails:
        """Joins a room, from its log's head or after a position. The answer has its members.

        With `ack` what the room's subscriptions have processed is acknowledged.
        """
        return await self._parts.memberships.join(room, position=position, ack=ack)

    async def leave(self, room: str) -> None:
        await self._parts.memberships.leave(room)

    async def mute(self, room: str, user: str) -> None:
        await self._moderate(room, "mute", user)

    async def unmute(self, room: str, user: str) -> None:
        await self._moderate(room, "unmute", user)

    async def kick(self, room: str, user: str) -> None:
        await self._moderate(room, "kick", user)

    async def members(self, room: str) -> list[str]:
        """The users in a room that one is in."""
        answer = await self._parts.requests.ask(self._parts.composer.presence(room), repeatable=True)
        payload = answer.payload
        return payload.members if isinstance(payload, Presence) and payload.members else []

    async def history(
        self,
        channel: str,
        *,
        after: int | None = None,
        before: int | None = None,
        limit: int | None = None,
    ) -> list[Message]:
        """Messages of a channel, ascending: the newest, or with `after` the oldest after it; at most 300."""
        query = self._parts.composer.history(channel, after=after, before=before, limit=limit)
        answer = await self._parts.requests.ask(query, repeatable=True)
        found = answer.messages if isinstance(answer, messages.HistoryMessage) else UNSET
        return [] if found is UNSET else found

    # --- The connection --------------------------------------------------------------------------------

    @property
    def state(self) -> ConnectionState:
        """Where the connection stands."""
        return self._parts.link.state

    @property
    def user(self) -> str:
        """The name that the server knows this session by; before the first welcome, the one that was asked for."""
        return self._parts.session.user

    @property
    def connection_id(self) -> str:
        return self._parts.session.connection_id

    @property
    def welcome(self) -> Welcome | None:
        """What the server said when the session began."""
        return self._parts.session.welcome

    @property
    def quality(self) -> Quality:
        """How good the link is: `good`, `slow` or `bad`, judged every 5 s by its round trip."""
        return self._parts.link.quality

    @property
    def round_trip(self) -> float | None:
        """The smoothed round trip in seconds; None before the first measurement."""
        return self._parts.link.round_trip

    def on(self, event: str, callback: Callable[[Any], None]) -> Callable[[], None]:
        """Calls back for every event of a kind; what is returned takes the callback away again.

        `state` (a `ConnectionState`), `presence`, `system`, `subscribed`, `unsubscribed` (messages), `error` (an
        error that answers nothing), `gap` (`MessagesMissed`), `gave_up` and `close` (`ConnectionClosed`: there will
        be no other connection).
        """
        return self._parts.events.on(event, callback)

    async def ping(self) -> float:
        """The round trip to the hub and back, in seconds."""
        return await self._parts.ping()

    async def refresh(self, token: str) -> None:
        """Proves anew who one is, before the old token expires. Raises `Denied`."""
        await self._parts.refresh(token)

    def wake(self) -> None:
        """Tries to reconnect at once, as when the machine is online again; does nothing while connected."""
        self._parts.link.wake()

    async def close(self) -> None:
        """Says goodbye and waits until the connection has ended. Everyone who waits gets a typed error.

        What is on disk and was not sent stays there for the next client with this `outbox_path`.
        """
        self._parts.acks.flush()
        await self._parts.link.close()

    async def _moderate(self, room: str, action: Any, user: str) -> None:
        await self._parts.requests.ask(self._parts.composer.command(room, action, target=user))

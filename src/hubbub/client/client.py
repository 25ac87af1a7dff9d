"""The client: what a program does with a hub it is connected to."""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from msgspec import UNSET

from hubbub.client.requests import PendingRequests
from hubbub.client.socket import Socket
from hubbub.client.subscription import Subscription
from hubbub.delivery.pieces import PieceJoiner, cut
from hubbub.errors import BadMessage, ConnectionClosed, HubbubError, MessagesMissed, error_of
from hubbub.protocol import messages
from hubbub.protocol.building import build_message
from hubbub.protocol.channels import Channel, parse_channel
from hubbub.protocol.messages import AckMessage, Message
from hubbub.protocol.payloads import AckDetails, Command, History, Position, Presence, Welcome
from hubbub.protocol.wire import Profile, Wire

log = logging.getLogger("hubbub.client")

EVENTS = ("presence", "system", "subscribed", "unsubscribed", "error", "gap", "close")


class Client:
    """One connection to a hub, made by `connect`. Every method raises typed errors.

    `ProtocolError` (and its subclasses) is what the server answered, `OutcomeUnknown` says that the connection
    or the patience ended before an answer, `ConnectionClosed` that there is no connection any more.
    """

    def __init__(self, wire: Wire, profile: Profile, *, patience: float = 15.0) -> None:
        self._wire = wire
        self._profile = profile
        self._socket: Socket | None = None
        self._requests = PendingRequests(patience)
        self._subscriptions: list[Subscription] = []
        self._full: set[Subscription] = set()
        self._server_ids: dict[str, str] = {}
        self._joined: set[str] = set()
        self._seen: dict[str, int] = {}
        self._pieces = PieceJoiner()
        self._callbacks: dict[str, list[Callable[[Any], None]]] = {}
        self._welcomed: asyncio.Future[messages.WelcomeMessage] | None = None
        self._closed: ConnectionClosed | None = None
        self.user = ""
        self.connection_id = ""
        self.welcome: Welcome | None = None

    # --- Messages --------------------------------------------------------------------------------------

    async def publish(
        self,
        channel: str,
        payload: Any,
        *,
        type: str | None = None,
        metadata: dict[str, Any] | None = None,
        message_id: str | None = None,
    ) -> Position:
        """Publishes, and returns the message's position once the server's log has it.

        `payload` is a payload object, a text for short, or with `type` a dict.
        """
        message = build_message(
            self._wire,
            payload,
            type=type,
            channel=channel,
            sender=self.user,
            timestamp=time.time_ns() // 1_000_000,
            metadata=metadata,
            message_id=message_id or str(uuid.uuid4()),
        )
        ack = await self._ask(message)
        offset = 0 if ack.offset is UNSET else ack.offset
        epoch = ack.epoch if isinstance(ack, AckMessage) and ack.epoch is not UNSET else ""
        return Position(epoch, offset)

    async def send_data(self, channel: str, content: bytes, mime_type: str) -> Position:
        """Publishes a large content in pieces, one after the other; returns the last one's position."""
        position = Position("", 0)
        for piece in cut(content, mime_type):
            position = await self.publish(channel, piece)
        return position

    def subscribe(self, channel: str) -> Subscription:
        """Messages of a room (joined if need be), a topic or pattern, one's own inbox, or `all`.

        Pieces of large contents are joined: such a message's payload is a `Transfer`.
        """
        return Subscription(self, parse_channel(channel))

    async def join(self, room: str, *, position: Position | None = None) -> AckDetails:
        """Joins a room, from its log's head or after a position. The answer has its members."""
        details = await self._command(room, "join", position=position)
        self._joined.add(room)
        if position is not None and details.offset is not UNSET:
            self._seen[parse_channel(room).log] = details.offset
        return details

    async def leave(self, room: str) -> None:
        await self._command(room, "leave")
        self._joined.discard(room)

    async def mute(self, room: str, user: str) -> None:
        await self._command(room, "mute", user)

    async def unmute(self, room: str, user: str) -> None:
        await self._command(room, "unmute", user)

    async def kick(self, room: str, user: str) -> None:
        await self._command(room, "kick", user)

    async def history(
        self,
        channel: str,
        *,
        after: int | None = None,
        before: int | None = None,
        limit: int | None = None,
    ) -> list[Message]:
        """Messages of a channel, ascending: the newest, or with `after` the oldest after it; at most 300."""
        query = History()
        if after is not None:
            query.after = after
        if before is not None:
            query.before = before
        if limit is not None:
            query.limit = limit
        answer = await self._ask(messages.HistoryMessage(channel=channel, payload=query))
        found = answer.messages if isinstance(answer, messages.HistoryMessage) else UNSET
        return [] if found is UNSET else found

    async def members(self, room: str) -> list[str]:
        """The users in a room that one is in."""
        answer = await self._ask(messages.PresenceMessage(channel=room))
        payload = answer.payload
        return payload.members if isinstance(payload, Presence) and payload.members else []

    async def ping(self) -> float:
        """The round trip to the hub and back, in seconds."""
        began = time.monotonic()
        await self._ask(messages.PingMessage())
        return time.monotonic() - began

    def on(self, event: str, callback: Callable[[Any], None]) -> None:
        """Calls back for every `presence`, `system`, `subscribed`, `unsubscribed`, `error`, `gap` or `close`."""
        if event not in EVENTS:
            raise ValueError(f"{event!r}: events are {', '.join(EVENTS)}")
        self._callbacks.setdefault(event, []).append(callback)

    async def close(self) -> None:
        """Says goodbye and waits until the connection has ended."""
        if self._socket is None:
            return
        self._socket.close()
        try:
            async with asyncio.timeout(3):
                await self._socket.wait_closed()
        except TimeoutError:
            self._socket.abort()

    # --- Made by `connect` -----------------------------------------------------------------------------

    async def greet(self, socket: Socket, hello: messages.HelloMessage) -> None:
        """Says hello and waits for the welcome. Raises `Denied`, `ConnectionClosed`."""
        self._socket = socket
        self._welcomed = asyncio.get_running_loop().create_future()
        self._send(hello)
        welcome = await self._welcomed
        self.welcome = welcome.payload
        self.user = welcome.payload.user
        self.connection_id = welcome.connection_id
        for name, position in welcome.payload.positions.items():
            self._seen[name] = position.offset

    def received(self, data: str | bytes) -> None:
        """One message from the socket."""
        try:
            message = self._wire.decode(self._profile, data)
        except BadMessage as error:
            # A newer server may have types that this client does not know.
            log.debug("ignored a message: %s", error)
            return
        handler = _HANDLERS.get(type(message))
        if handler is not None:
            handler(self, message)
        elif isinstance(message, messages.ApplicationMessage):
            self._deliver(message)

    def lost(self, reason: ConnectionClosed) -> None:
        """The connection ended."""
        self._closed = reason
        self._requests.fail(reason)
        if self._welcomed is not None and not self._welcomed.done():
            self._welcomed.set_exception(reason)
        for subscription in self._subscriptions:
            subscription.finish(reason)
        self._tell("close", reason)

    # --- Made by subscriptions -------------------------------------------------------------------------

    async def open_subscription(self, subscription: Subscription) -> None:
        channel = subscription.channel
        self._subscriptions.append(subscription)
        try:
            if self._closed is not None:
                raise self._closed
            if channel.kind == "room" and channel.text not in self._joined:
                await self.join(channel.text)
            elif channel.kind == "topic" and channel.text not in self._server_ids:
                answer = await self._ask(messages.SubscribeMessage(channel=channel.text))
                details = answer.payload
                if isinstance(details, AckDetails) and details.subscription_id is not UNSET:
                    self._server_ids[channel.text] = details.subscription_id
        except BaseException:
            self._subscriptions.remove(subscription)
            raise

    async def close_subscription(self, subscription: Subscription) -> None:
        if subscription in self._subscriptions:
            self._subscriptions.remove(subscription)
        self.relieve(subscription)
        channel = subscription.channel
        if self._closed is not None or any(s.channel == channel for s in self._subscriptions):
            return
        if channel.kind == "topic" and self._server_ids.pop(channel.text, None) is not None:
            await self._ask(messages.UnsubscribeMessage(channel=channel.text))

    def relieve(self, subscription: Subscription) -> None:
        """The subscription's queue has room again."""
        if subscription in self._full:
            self._full.discard(subscription)
            if not self._full and self._socket is not None:
                self._socket.resume_reading()

    # --- Inside ----------------------------------------------------------------------------------------

    def _deliver(self, message: messages.ApplicationMessage) -> None:
        channel = self._fresh(message)
        if channel is None:
            return
        if isinstance(message, messages.DataMessage) and message.payload is not UNSET:
            try:
                transfer = self._pieces.add(message.sender, message.payload, time.monotonic())
            except BadMessage as error:
                self._tell("error", error)
                return
            if transfer is None:
                return
            message.payload = transfer  # type: ignore[assignment]
        self._spread(message, lambda subscription: subscription.wants(message))

    def _fresh(self, message: Message) -> Channel | None:
        """The message's channel, None for one that was had before."""
        if message.channel is UNSET:
            return None
        channel = parse_channel(message.channel)
        if message.offset is not UNSET:
            if message.offset <= self._seen.get(channel.log, 0):
                return None
            self._seen[channel.log] = message.offset
        return channel

    def _spread(self, item: Message | HubbubError, wanted: Callable[[Subscription], bool]) -> None:
        for subscription in self._subscriptions:
            if wanted(subscription) and subscription.put(item) and subscription not in self._full:
                if not self._full and self._socket is not None:
                    self._socket.pause_reading()
                self._full.add(subscription)

    def _gap(self, message: messages.GapMessage) -> None:
        gap = message.payload
        name = str(message.channel)
        self._seen[name] = max(gap.to, self._seen.get(name, 0))
        missed = MessagesMissed(name, gap.start, gap.to, gap.reason)
        self._spread(missed, lambda subscription: subscription.channel.log == name)
        self._tell("gap", missed)

    def _answered(self, message: Message) -> None:
        if message.message_id is not UNSET:
            self._requests.answer(message.message_id, message)

    def _presence(self, message: messages.PresenceMessage) -> None:
        if message.message_id is UNSET:
            self._tell("presence", message)
        else:
            self._answered(message)

    def _refused(self, message: messages.ErrorMessage) -> None:
        details: Any = message.payload
        given: Mapping[str, Any] = {}
        if details is not UNSET:
            given = {
                "field": details.field or None,
                "retry_after_ms": details.retry_after_ms or None,
            }
        id = None if message.message_id is UNSET else message.message_id
        error = error_of(message.code, message.reason, message_id=id, **given)
        if self._welcomed is not None and not self._welcomed.done():
            self._welcomed.set_exception(error)
        elif id is None or not self._requests.answer(id, error):
            log.warning("the server says %s", error)
            self._tell("error", error)

    def _welcome(self, message: messages.WelcomeMessage) -> None:
        if self._welcomed is not None and not self._welcomed.done():
            self._welcomed.set_result(message)

    def _unsubscribed(self, message: messages.UnsubscribedMessage) -> None:
        self._joined.discard(str(message.channel))
        self._tell("unsubscribed", message)

    def _tell(self, event: str, value: object) -> None:
        for callback in self._callbacks.get(event, ()):
            try:
                callback(value)
            except Exception:
                log.exception("a callback of %s failed", event)

    async def _command(
        self, room: str, action: Any, target: str | None = None, position: Position | None = None
    ) -> AckDetails:
        payload = Command(action=action)
        if target is not None:
            payload.target = target
        if position is not None:
            payload.position = position
        message = messages.CommandMessage(
            message_id=str(uuid.uuid4()),
            timestamp=time.time_ns() // 1_000_000,
            sender=self.user,
            channel=parse_channel(room).text,
            payload=payload,
        )
        answer = await self._ask(message)
        return answer.payload if isinstance(answer.payload, AckDetails) else AckDetails()

    async def _ask(self, message: Message) -> Message:
        if self._closed is not None:
            raise self._closed
        if message.message_id is UNSET:
            message.message_id = str(uuid.uuid4())
        return await self._requests.ask(str(message.message_id), lambda: self._send(message))

    def _send(self, message: Message) -> None:
        if self._socket is None:
            raise ConnectionClosed(1006, "not connected")
        body = self._wire.body(self._profile, message)
        self._socket.send(body, is_text=self._profile.codec == "json")


_HANDLERS: dict[type[Message], Callable[[Client, Any], None]] = {
    messages.AckMessage: Client._answered,
    messages.PongMessage: Client._answered,
    messages.HistoryMessage: Client._answered,
    messages.PresenceMessage: Client._presence,
    messages.ErrorMessage: Client._refused,
    messages.WelcomeMessage: Client._welcome,
    messages.GapMessage: Client._gap,
    messages.SystemMessage: lambda client, message: client._tell("system", message),
    messages.SubscribedMessage: lambda client, message: client._tell("subscribed", message),
    messages.UnsubscribedMessage: Client._unsubscribed,
}

"""What a client may ask of the hub, one function for each control message and command."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from msgspec import UNSET

from hubbub.errors import BadMessage, Conflict, ProtocolError, error_of
from hubbub.hub.connection import Connection
from hubbub.hub.history import HistoryQuery
from hubbub.hub.membership import subscription_of
from hubbub.hub.moderation import Moderation
from hubbub.hub.permissions import Action, require
from hubbub.hub.rooms import Room
from hubbub.hub.session import Session
from hubbub.protocol import messages
from hubbub.protocol.channels import Channel, parse_channel
from hubbub.protocol.messages import AckMessage, HistoryMessage, Message, PongMessage
from hubbub.protocol.payloads import Command, History, Subscribe

if TYPE_CHECKING:
    from hubbub.hub.hub import Hub

Handler = Callable[[Connection, Session, Any, "bool | None"], None]

_ACTIONS: dict[type[Message], Action] = {
    messages.SubscribeMessage: "subscribe",
    messages.HistoryMessage: "history",
    messages.PresenceMessage: "members",
    messages.JoinMessage: "join",
    messages.OperationMessage: "publish",
}


def action_of(message: Message) -> Action | None:
    """What permission a message needs, None for none. Whoever resolves permissions beforehand asks this."""
    if isinstance(message, messages.CommandMessage):
        if message.payload is UNSET:
            return None
        action = message.payload.action
        if action == "join":
            return "join"
        return None if action == "leave" else "moderate"
    if isinstance(message, messages.ApplicationMessage):
        return "publish"
    return _ACTIONS.get(type(message))


class Requests:
    """The table of handlers, by message class."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self.handlers: dict[type[Message], Handler] = {
            messages.CommandMessage: self._command,
            messages.SubscribeMessage: self._subscribe,
            messages.UnsubscribeMessage: self._unsubscribe,
            messages.HistoryMessage: self._history,
            messages.PresenceMessage: self._presence,
            messages.PingMessage: self._ping,
            messages.AckMessage: self._ack,
            messages.JoinMessage: self._served,
            messages.OperationMessage: self._served,
            messages.CursorMessage: self._served,
        }

    def _ping(self, connection: Connection, session: Session, message: Message, verdict: bool | None) -> None:
        self._hub.outbox.send(connection, PongMessage(message_id=message.message_id))

    def _ack(
        self, connection: Connection, session: Session, message: messages.AckMessage, verdict: bool | None
    ) -> None:
        self._hub.awaiting.acknowledged(session, message)

    def _command(
        self, connection: Connection, session: Session, message: messages.CommandMessage, verdict: bool | None
    ) -> None:
        command = message.payload
        if command is UNSET:
            raise BadMessage("invalid_message", "a command has an action", field="payload.action")
        assert isinstance(command, Command)
        channel = _channel(message)
        if channel.kind == "doc" and command.action in ("join", "leave"):
            if command.action == "join":
                require(verdict, session.user, "join", channel)
            self._hub.kinds.receive(session, channel, message)
            return
        if channel.kind != "room":
            raise BadMessage("invalid_channel", "commands are for rooms", field="channel")
        if command.action == "join":
            require(verdict, session.user, "join", channel)
            position = None if command.position is UNSET else command.position
            wants_ack = command.ack is True
            self._hub.membership.join(session, channel.id, position, message.message_id, ack=wants_ack)
            return
        if command.action == "leave":
            room = self._hub.rooms.require_member(channel.id, session)
            self._hub.membership.leave(room, session)
            self._acknowledge_kept(connection, session, message, channel.text)
        else:
            self._moderate(connection, session, message, channel, verdict)

    def _moderate(
        self,
        connection: Connection,
        session: Session,
        message: messages.CommandMessage,
        channel: Channel,
        verdict: bool | None,
    ) -> None:
        hub, command = self._hub, message.payload
        assert isinstance(command, Command)

        def answer(error: ProtocolError | None) -> None:
            if connection.session is None:
                return
            if error is None:
                self._acknowledge(connection, message, channel.text)
            else:
                error.message_id = _id(message)
                hub.outbox.send_error(connection, error)

        if verdict is not True:
            room = hub.rooms.require_member(channel.id, session)
            is_creator = verdict is None and room.creator == session.user.name
            require(True if is_creator else verdict, session.user, "moderate", channel)
        target = command.target
        if not isinstance(target, str):
            raise BadMessage("invalid_message", f"{command.action} needs a target", field="payload.target")
        by = session.user.name

        def act(room: Room) -> None:
            if command.action == "kick":
                hub.moderator.kick(room, target, f"{by} removed you from {room.name}")
            elif command.action == "mute":
                hub.moderator.mute(room, target, f"{by} muted you in {room.name}")
            else:
                hub.moderator.unmute(room, target, f"{by} unmuted you in {room.name}")

        Moderation(hub, target, act, answer).run(channel.id)

    def _subscribe(
        self,
        connection: Connection,
        session: Session,
        message: messages.SubscribeMessage,
        verdict: bool | None,
    ) -> None:
        channel = _channel(message)
        if channel.kind != "topic":
            raise BadMessage("invalid_channel", "topics are subscribed to, rooms joined", field="channel")
        require(verdict, session.user, "subscribe", channel)
        wanted = Subscribe() if message.payload is UNSET else message.payload
        position = None if wanted.position is UNSET else wanted.position
        self._hub.membership.subscribe(session, channel, position, _id(message), ack=wanted.ack is True)

    def _unsubscribe(
        self,
        connection: Connection,
        session: Session,
        message: messages.UnsubscribeMessage,
        verdict: bool | None,
    ) -> None:
        wanted: Any = UNSET if message.payload is UNSET else message.payload.subscription_id
        if wanted is not UNSET:
            channel = parse_channel(subscription_of(session, wanted))
            ended = [wanted]
        else:
            channel = _channel(message)
            ended = [id for id, text in (session.subscriptions or {}).items() if text == channel.text]
            if not ended:
                raise Conflict("not_found", "there is no such subscription", field="channel")
        for subscription in ended:
            self._hub.membership.unsubscribe(session, subscription, channel)
        self._acknowledge_kept(connection, session, message, channel.text)

    def _history(
        self, connection: Connection, session: Session, message: messages.HistoryMessage, verdict: bool | None
    ) -> None:
        channel = _channel(message)
        self._require_reader(session, channel)
        require(verdict, session.user, "history", channel)
        if channel.kind == "doc":
            self._hub.kinds.receive(session, channel, message)
            return
        query = History() if message.payload is UNSET else message.payload

        def answer(found: HistoryMessage | None) -> None:
            if connection.session is None:
                return
            if found is None:
                error = error_of("unavailable", "the log cannot be had now", retry_after_ms=1000)
                error.message_id = _id(message)
                self._hub.outbox.send_error(connection, error)
                return
            found.message_id = message.message_id
            self._hub.outbox.send(connection, found)

        HistoryQuery(self._hub, channel, query, answer).run()

    def _presence(
        self,
        connection: Connection,
        session: Session,
        message: messages.PresenceMessage,
        verdict: bool | None,
    ) -> None:
        channel = _channel(message)
        if channel.kind != "room":
            raise BadMessage("invalid_channel", "rooms have members", field="channel")
        self._require_reader(session, channel)
        require(verdict, session.user, "members", channel)
        self._hub.attendance.tell_roll(connection, self._hub.rooms.get(channel.id), _id(message))

    def _served(self, connection: Connection, session: Session, message: Message, verdict: bool | None) -> None:
        """A message for whoever serves this kind of channel."""
        channel = _channel(message)
        self._hub.kinds.require(channel)
        action = action_of(message)
        if action is not None:
            require(verdict, session.user, action, channel)
        self._hub.kinds.receive(session, channel, message)

    def _require_reader(self, session: Session, channel: Channel) -> None:
        if channel.kind == "room":
            self._hub.rooms.require_member(channel.id, session)

    def _acknowledge_kept(self, connection: Connection, session: Session, message: Message, channel: str) -> None:
        """Says that it is done when the session is kept without what it left."""
        self._hub.vault.keep(session, lambda: self._acknowledge(connection, message, channel))

    def _acknowledge(self, connection: Connection, message: Message, channel: str) -> None:
        self._hub.outbox.send(connection, AckMessage(message_id=message.message_id, channel=channel))


def _channel(message: Message) -> Channel:
    if message.channel is UNSET:
        raise BadMessage("invalid_channel", "name the channel", field="channel")
    return parse_channel(message.channel)


def _id(message: Message) -> str | None:
    return None if message.message_id is UNSET else message.message_id

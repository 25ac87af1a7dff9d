"""The envelope, and one class for each type of message. `type` chooses the class, the class the payload."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from msgspec import UNSET, Meta, Struct, UnsetType, field

from hubbub.protocol import payloads
from hubbub.protocol.limits import MAX_SAFE_INTEGER, MAX_TIMESTAMP, UUID_PATTERN, VERSION_PATTERN

# The pattern is checked by `validation`, with the same expression, at a third of msgspec's cost.
MessageId = Annotated[
    str,
    Meta(min_length=36, max_length=36, extra_json_schema={"format": "uuid", "pattern": UUID_PATTERN}),
]
Timestamp = Annotated[int, Meta(ge=0, le=MAX_TIMESTAMP)]
Version = Annotated[str, Meta(pattern=VERSION_PATTERN)]
Sender = Annotated[str, Meta(min_length=1)]
Channel = Annotated[str, Meta(min_length=1)]
Offset = Annotated[int, Meta(ge=1, le=MAX_SAFE_INTEGER)]
Metadata = dict[str, Any]
# Protobuf cannot tell an empty string of the envelope from none, so that none may be empty in JSON either.
NonEmpty = Annotated[str, Meta(min_length=1)]


class Message(Struct, tag_field="type", rename="camel", omit_defaults=True, kw_only=True):
    """The envelope. Every field that the wire does not carry is `UNSET`.

    `timestamp` is in milliseconds since 1970; `offset` stands on delivered, stored messages and their acks.
    """

    if TYPE_CHECKING:
        type: ClassVar[str]

    message_id: MessageId | UnsetType = UNSET
    timestamp: Timestamp | UnsetType = UNSET
    sender: Sender | UnsetType = UNSET
    channel: Channel | UnsetType = UNSET
    offset: Offset | UnsetType = UNSET
    version: Version | UnsetType = UNSET
    payload: Any = UNSET
    metadata: Metadata | UnsetType = UNSET


class ApplicationMessage(Message, kw_only=True, omit_defaults=True):
    """What applications send to channels; it always says who, when and under which id."""

    message_id: MessageId
    timestamp: Timestamp
    sender: Sender


class TextMessage(ApplicationMessage, tag="text", kw_only=True, omit_defaults=True):
    type = "text"
    payload: payloads.Text | UnsetType = UNSET


class ImageMessage(ApplicationMessage, tag="image", kw_only=True, omit_defaults=True):
    type = "image"
    payload: payloads.Image | UnsetType = UNSET


class FileMessage(ApplicationMessage, tag="file", kw_only=True, omit_defaults=True):
    type = "file"
    payload: payloads.File | UnsetType = UNSET


class CommandMessage(ApplicationMessage, tag="command", kw_only=True, omit_defaults=True):
    type = "command"
    payload: payloads.Command | UnsetType = UNSET


class DataMessage(ApplicationMessage, tag="data", kw_only=True, omit_defaults=True):
    type = "data"
    payload: payloads.Data | UnsetType = UNSET


class UnknownMessage(ApplicationMessage, tag=False, kw_only=True, omit_defaults=True):
    """A type that nobody registered; only applications with a default handler ever see one."""

    type_name: str = field(name="type")
    payload: dict[str, Any] | UnsetType = UNSET

    @property
    def type(self) -> str:  # type: ignore[override]
        return self.type_name


# --- Session -------------------------------------------------------------------------------------------


class HelloMessage(Message, tag="hello", kw_only=True, omit_defaults=True):
    type = "hello"
    payload: payloads.Hello | UnsetType = UNSET


class WelcomeMessage(Message, tag="welcome", kw_only=True, omit_defaults=True):
    type = "welcome"
    session_id: NonEmpty
    connection_id: NonEmpty
    payload: payloads.Welcome


class RestoreSessionMessage(Message, tag="restore_session", kw_only=True, omit_defaults=True):
    type = "restore_session"
    session_id: NonEmpty
    connection_id: NonEmpty | UnsetType = UNSET
    payload: payloads.RestoreSession | UnsetType = UNSET


class SessionRestoredMessage(Message, tag="session_restored", kw_only=True, omit_defaults=True):
    type = "session_restored"
    session_id: NonEmpty
    connection_id: NonEmpty
    payload: payloads.SessionRestored


class RefreshMessage(Message, tag="refresh", kw_only=True, omit_defaults=True):
    type = "refresh"
    payload: payloads.Refresh


class PingMessage(Message, tag="ping", kw_only=True, omit_defaults=True):
    type = "ping"
    payload: dict[str, Any] | UnsetType = UNSET


class PongMessage(Message, tag="pong", kw_only=True, omit_defaults=True):
    type = "pong"
    payload: dict[str, Any] | UnsetType = UNSET


class MigrateMessage(Message, tag="migrate", kw_only=True, omit_defaults=True):
    type = "migrate"
    payload: payloads.Migrate


# --- Channels ------------------------------------------------------------------------------------------


class SubscribeMessage(Message, tag="subscribe", kw_only=True, omit_defaults=True):
    type = "subscribe"
    payload: payloads.Subscribe | UnsetType = UNSET


class UnsubscribeMessage(Message, tag="unsubscribe", kw_only=True, omit_defaults=True):
    type = "unsubscribe"
    payload: payloads.Unsubscribe | UnsetType = UNSET


class SubscribedMessage(Message, tag="subscribed", kw_only=True, omit_defaults=True):
    type = "subscribed"
    payload: payloads.Position


class UnsubscribedMessage(Message, tag="unsubscribed", kw_only=True, omit_defaults=True):
    type = "unsubscribed"
    payload: payloads.Position | UnsetType = UNSET


class AckMessage(Message, tag="ack", kw_only=True, omit_defaults=True):
    type = "ack"
    epoch: NonEmpty | UnsetType = UNSET
    payload: payloads.AckDetails | UnsetType = UNSET


class PositionMessage(Message, tag="position", kw_only=True, omit_defaults=True):
    type = "position"
    payload: payloads.Positions


class GapMessage(Message, tag="gap", kw_only=True, omit_defaults=True):
    type = "gap"
    payload: payloads.Gap


class HistoryMessage(Message, tag="history", kw_only=True, omit_defaults=True):
    """A query (payload: `after`, `before`, `limit`) or its answer (`messages`; payload: `epoch`, `complete`).

    The messages are `Message`s, no one of them a `HistoryMessage`.
    """

    type = "history"
    messages: list[Any] | UnsetType = UNSET
    payload: payloads.History | UnsetType = UNSET


class PresenceMessage(Message, tag="presence", kw_only=True, omit_defaults=True):
    type = "presence"
    payload: payloads.Presence | UnsetType = UNSET


class SystemMessage(Message, tag="system", kw_only=True, omit_defaults=True):
    type = "system"
    payload: payloads.System


class ErrorMessage(Message, tag="error", kw_only=True, omit_defaults=True):
    type = "error"
    code: NonEmpty
    reason: str
    payload: payloads.ErrorDetails | UnsetType = UNSET


# --- Documents -----------------------------------------------------------------------------------------


class JoinMessage(Message, tag="join", kw_only=True, omit_defaults=True):
    """Opens a document. `client_id` says which author it is, if it was one before."""

    type = "join"
    document_id: NonEmpty | UnsetType = UNSET
    client_id: NonEmpty | UnsetType = UNSET
    payload: payloads.OpenDocument | UnsetType = UNSET


class JoinedMessage(Message, tag="joined", kw_only=True, omit_defaults=True):
    type = "joined"
    document_id: NonEmpty | UnsetType = UNSET
    client_id: NonEmpty
    payload: payloads.Opened


class InitMessage(Message, tag="init", kw_only=True, omit_defaults=True):
    type = "init"
    document_id: NonEmpty | UnsetType = UNSET
    payload: payloads.Init


class OperationMessage(Message, tag="operation", kw_only=True, omit_defaults=True):
    type = "operation"
    payload: payloads.Operation


class OperationsMessage(Message, tag="operations", kw_only=True, omit_defaults=True):
    type = "operations"
    payload: payloads.Operations


class CursorMessage(Message, tag="cursor", kw_only=True, omit_defaults=True):
    type = "cursor"
    client_id: NonEmpty | UnsetType = UNSET
    payload: payloads.Cursor


APPLICATION_MESSAGES: tuple[type[ApplicationMessage], ...] = (
    TextMessage,
    ImageMessage,
    FileMessage,
    CommandMessage,
    DataMessage,
)

CONTROL_MESSAGES: tuple[type[Message], ...] = (
    HelloMessage,
    WelcomeMessage,
    RestoreSessionMessage,
    SessionRestoredMessage,
    RefreshMessage,
    PingMessage,
    PongMessage,
    MigrateMessage,
    SubscribeMessage,
    UnsubscribeMessage,
    SubscribedMessage,
    UnsubscribedMessage,
    AckMessage,
    PositionMessage,
    GapMessage,
    HistoryMessage,
    PresenceMessage,
    SystemMessage,
    ErrorMessage,
    JoinMessage,
    JoinedMessage,
    InitMessage,
    OperationMessage,
    OperationsMessage,
    CursorMessage,
)

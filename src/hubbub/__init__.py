"""Realtime messaging for Python. A channel is a log, a subscription is a position in it."""

from hubbub.app.application import Hubbub
from hubbub.app.context import Context
from hubbub.client.client import Client
from hubbub.client.connecting import connect
from hubbub.client.events import ConnectionState
from hubbub.client.listening import Listener
from hubbub.client.options import ClientOptions
from hubbub.client.subscription import Subscription
from hubbub.config import JwtSettings, RoomSettings, Settings, load_settings
from hubbub.delivery.pieces import Transfer
from hubbub.errors import (
    BadMessage,
    ConfigurationError,
    Conflict,
    ConnectionClosed,
    Denied,
    HubbubError,
    InternalError,
    MessagesMissed,
    OutcomeUnknown,
    ProtocolError,
    TryLater,
)
from hubbub.hub.kinds import ChannelHandler, Participant
from hubbub.hub.users import User
from hubbub.protocol.catalog import Catalog
from hubbub.protocol.messages import Message
from hubbub.protocol.payloads import Command, Data, File, Image, Position, Text
from hubbub.server.gate import Upgrade

__all__ = [
    "BadMessage",
    "Catalog",
    "ChannelHandler",
    "Client",
    "ClientOptions",
    "Command",
    "ConfigurationError",
    "Conflict",
    "ConnectionClosed",
    "ConnectionState",
    "Context",
    "Data",
    "Denied",
    "File",
    "Hubbub",
    "HubbubError",
    "Image",
    "InternalError",
    "JwtSettings",
    "Listener",
    "Message",
    "MessagesMissed",
    "OutcomeUnknown",
    "Participant",
    "Position",
    "ProtocolError",
    "RoomSettings",
    "Settings",
    "Subscription",
    "Text",
    "Transfer",
    "TryLater",
    "Upgrade",
    "User",
    "connect",
    "load_settings",
]

"""What messages carry, by type. The types are the validation: msgspec decodes straight into them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, field

from hubbub.protocol.limits import (
    BASE64_PATTERN,
    MAX_CHUNK_BASE64,
    MAX_CONTENT,
    MAX_SAFE_INTEGER,
    URL_PATTERN,
)

Url = Annotated[str, Meta(pattern=URL_PATTERN, extra_json_schema={"format": "uri"})]
Pixels = Annotated[int, Meta(ge=1, le=2**31 - 1)]
Bytes = Annotated[int, Meta(ge=1, le=MAX_SAFE_INTEGER)]
Count = Annotated[int, Meta(ge=0, le=MAX_SAFE_INTEGER)]
Offset = Annotated[int, Meta(ge=0, le=MAX_SAFE_INTEGER)]
Milliseconds = Annotated[int, Meta(ge=0, le=MAX_SAFE_INTEGER)]
Action = Annotated[Literal["join", "leave", "mute", "kick", "unmute"], Meta(extra={"values_since": {"unmute": "1.1"}})]


# --- Application messages ------------------------------------------------------------------------------


class Text(Struct, rename="camel", omit_defaults=True):
    """A chat message: at most 4096 characters, and since 1.1 the users it mentions.

    No mentions and an empty list of them are the same, since Protobuf cannot tell them apart.
    """

    content: Annotated[str, Meta(max_length=MAX_CONTENT)]
    mentions: Annotated[list[str], Meta(extra={"since": "1.1", "older": "ignore"})] = []


class Image(Struct, rename="camel"):
    """A picture by its address; width and height in pixels."""

    url: Url
    width: Pixels
    height: Pixels


class File(Struct, rename="camel"):
    """A file by its address; size in bytes."""

    url: Url
    size: Bytes
    mime_type: str


class Data(Struct, rename="camel"):
    """Piece `index` of `count` of a large content: base64, at most 32 KiB decoded. Receivers join them."""

    transfer_id: Annotated[str, Meta(min_length=1, max_length=64)]
    index: Count
    count: Annotated[int, Meta(ge=1, le=MAX_SAFE_INTEGER)]
    mime_type: str
    chunk: Annotated[
        str,
        Meta(
            pattern=BASE64_PATTERN,
            max_length=MAX_CHUNK_BASE64,
            # Padding is what tells 32768 bytes from 32770 at the same number of characters.
            extra_json_schema={"anyOf": [{"maxLength": MAX_CHUNK_BASE64 - 4}, {"pattern": "=(?!\\n)$"}]},
        ),
    ]


class Position(Struct, frozen=True):
    """A place in a log: all up to `offset` was had; `epoch` tells a log that was lost and begun anew."""

    epoch: str
    offset: Offset


class Command(Struct, rename="camel", omit_defaults=True):
    """What a member does with a room. `position` and `ack` belong to a join; a null target is none."""

    action: Action
    target: str | None = None
    position: Position | UnsetType = UNSET
    ack: bool | UnsetType = UNSET


# --- Session -------------------------------------------------------------------------------------------


class Hello(Struct, rename="camel", omit_defaults=True):
    token: str | UnsetType = UNSET
    user: str | UnsetType = UNSET
    profile: dict[str, Any] | UnsetType = UNSET


class Welcome(Struct, omit_defaults=True):
    user: str
    node: str
    heartbeat_ms: Milliseconds
    limits: dict[str, Any]
    positions: dict[str, Position]


class RestoreSession(Struct, omit_defaults=True):
    """`ticket` is what a `migrate` gave: with it the session comes from the node that sent that."""

    """`ticket` is what a `migrate` gave: it proves to the node that this connection may be moved there.

    `attempt` grows with each attempt of a client, so that one that comes late is known.
    """

    positions: dict[str, Position] = field(default_factory=dict)
    token: str | UnsetType = UNSET
    ticket: str | UnsetType = UNSET
    attempt: Count | UnsetType = UNSET


class Restored(Struct):
    recovered: bool
    epoch: str
    offset: Offset


class SessionRestored(Struct):
    channels: dict[str, Restored]


class Refresh(Struct):
    token: str


class Migrate(Struct):
    url: str
    ticket: str
    delay_ms: Milliseconds
    deadline_ms: Milliseconds


# --- Channels ------------------------------------------------------------------------------------------


class Subscribe(Struct, omit_defaults=True):
    position: Position | UnsetType = UNSET
    ack: bool | UnsetType = UNSET


class Unsubscribe(Struct, rename="camel", omit_defaults=True):
    subscription_id: str | UnsetType = UNSET


class AckDetails(Struct, rename="camel", omit_defaults=True):
    """What an ack of a join or a subscribe tells."""

    epoch: str | UnsetType = UNSET
    offset: Offset | UnsetType = UNSET
    recovered: bool | UnsetType = UNSET
    count: Count | UnsetType = UNSET
    members: list[str] | UnsetType = UNSET
    moderator: bool | UnsetType = UNSET
    subscription_id: str | UnsetType = UNSET


class Positions(Struct):
    positions: dict[str, Position]


class Gap(Struct):
    """These offsets, both inclusive, will not come; go on from `to`."""

    epoch: str
    start: Offset = field(name="from")
    to: Offset
    reason: str


class History(Struct, omit_defaults=True):
    """`at` asks for a document as it was at that revision; the answer has its `content`."""

    after: Offset | UnsetType = UNSET
    before: Offset | UnsetType = UNSET
    limit: Count | UnsetType = UNSET
    epoch: str | UnsetType = UNSET
    complete: bool | UnsetType = UNSET
    at: Offset | UnsetType = UNSET
    content: str | UnsetType = UNSET


class Presence(Struct, omit_defaults=True):
    """An event (`event`, `user`, `count`), or the answer to a query (`count`, `members`)."""

    event: Literal["join", "leave"] | UnsetType = UNSET
    user: str | UnsetType = UNSET
    count: Count | UnsetType = UNSET
    members: list[str] | UnsetType = UNSET


class System(Struct):
    content: str
    level: str


class ErrorDetails(Struct, omit_defaults=True):
    number: Count
    field: str | UnsetType = UNSET
    retry_after_ms: Milliseconds | UnsetType = UNSET


# --- Documents -----------------------------------------------------------------------------------------

Part = Count | list[Count | str]
"""One part of a ChangeSet JSON. What it may be in full is for whoever keeps documents to say."""


class OpenDocument(Struct, omit_defaults=True):
    """What a join of a document says: where its author was, who has what comes next sent and no `init`."""

    position: Position | UnsetType = UNSET


class Opened(Struct):
    """How an opened document goes on: `recovered` says that all after the position that was given follows, without
    an `init`. `seq` is the last operation that the document has of this author, 0 for none."""

    recovered: bool
    epoch: str
    offset: Offset
    seq: Count


class Operation(Struct, omit_defaults=True):
    """An author's next operation, made at `revision` of an epoch. Sent again it has the same `seq`."""

    operation: list[Part]
    revision: Offset
    seq: Annotated[int, Meta(ge=1, le=MAX_SAFE_INTEGER)]
    epoch: str | UnsetType = UNSET


class Entry(Struct, rename="camel", omit_defaults=True):
    """An operation in a document's log. Without `operation` it acknowledges the receiver's own."""

    revision: Offset
    client_id: str
    seq: Count
    operation: list[Part] | UnsetType = UNSET
    user: str | UnsetType = UNSET
    timestamp: Milliseconds | UnsetType = UNSET


class Operations(Struct):
    operations: list[Entry]


class Selection(Struct, frozen=True):
    """What is selected, in UTF-16 units; `head` is the end that moves. Where both are one it is a caret."""

    anchor: Offset
    head: Offset


class Cursor(Struct, omit_defaults=True):
    """Where somebody is in the document as it was at `revision`; null says that they have left."""

    cursor: Selection | None
    revision: Offset = 0
    name: Annotated[str, Meta(max_length=100)] | UnsetType = UNSET
    colour: Annotated[str, Meta(max_length=32)] | UnsetType = UNSET


class PlacedCursor(Struct, rename="camel", omit_defaults=True):
    """Somebody's cursor in an `init`."""

    client_id: str
    user: str
    cursor: Selection
    revision: Offset
    name: str | UnsetType = UNSET
    colour: str | UnsetType = UNSET


class DocumentState(Struct):
    """A document as it is. `transform` names the algebra of its operations."""

    content: str
    revision: Offset
    epoch: str
    transform: str


class Init(Struct):
    document: DocumentState
    cursors: list[PlacedCursor]

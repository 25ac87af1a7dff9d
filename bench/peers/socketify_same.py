"""uWebSockets through socketify with the hub's semantics: decode, validate, log, ack, encode once, deliver.

It uses the hub's JSON library, and the native publish for the delivery: as good as it gets in Python.
"""

import sys
import time
from collections import deque
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from socketify import App, OpCode

from bench.peers.socketify_rooms import serve

LOG_RECORDS = 1000
LAST_MS = 253_402_300_799_999


class Payload(msgspec.Struct):
    """The content of a text message."""

    content: Annotated[str, msgspec.Meta(max_length=4096)]


class Text(msgspec.Struct):
    """A published message, and what is delivered of it."""

    type: Literal["text"]
    messageId: UUID
    timestamp: Annotated[int, msgspec.Meta(ge=0, le=LAST_MS)]
    sender: Annotated[str, msgspec.Meta(min_length=1)]
    channel: Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
    payload: Payload
    offset: int = 0


class Ack(msgspec.Struct):
    """The answer to the publisher."""

    messageId: UUID
    channel: str
    offset: int
    type: str = "ack"


class Log:
    """A bounded log of encoded messages."""

    __slots__ = ("head", "records")

    def __init__(self) -> None:
        self.head = 0
        self.records: deque[tuple[int, bytes]] = deque(maxlen=LOG_RECORDS)


app = App()
logs: dict[str, Log] = {}
decoder = msgspec.json.Decoder(Text)
encoder = msgspec.json.Encoder()


def on_message(connection: Any, data: str, _opcode: OpCode) -> None:
    """One message, from its bytes to its deliveries."""
    try:
        message = decoder.decode(data)
    except msgspec.ValidationError as error:
        connection.send(encoder.encode({"type": "error", "reason": str(error)}), OpCode.TEXT)
        return
    log = logs.get(message.channel)
    if log is None:
        log = logs[message.channel] = Log()
    log.head += 1
    message.offset = log.head
    message.timestamp = time.time_ns() // 1_000_000
    encoded = encoder.encode(message)
    log.records.append((log.head, encoded))
    connection.send(encoder.encode(Ack(message.messageId, message.channel, log.head)), OpCode.TEXT)
    app.publish(connection.get_user_data(), encoded, OpCode.TEXT)


if __name__ == "__main__":
    serve(app, int(sys.argv[1]), on_message)

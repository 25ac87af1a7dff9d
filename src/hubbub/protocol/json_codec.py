"""The JSON codec: subprotocol `hubbub.json`, one object a message."""

from __future__ import annotations

import json
import math
import re
from typing import Any, Union

import msgspec

from hubbub.errors import BadMessage
from hubbub.protocol import validation
from hubbub.protocol.catalog import Catalog
from hubbub.protocol.limits import MAX_DEPTH
from hubbub.protocol.messages import HistoryMessage, Message, UnknownMessage
from hubbub.protocol.validation import TOO_DEEP, id_of, printable

_PATH = re.compile(r" - at (?:`key` in )?`\$\.?([^`]*)`$")
_MISSING = re.compile(r"missing required field `([^`]*)`")

_parse = msgspec.json.Decoder().decode


class JsonCodec:
    """Decodes and encodes messages of one catalogue. Stateless between calls."""

    name = "json"

    def __init__(self, catalog: Catalog) -> None:
        catalog.freeze()
        self._catalog = catalog
        self._classes = {cls.type: cls for cls in catalog}
        union: Any = Union[tuple(catalog)]  # noqa: UP007 - a union of what is only known now
        self._decode = msgspec.json.Decoder(union).decode
        self._encode = msgspec.json.Encoder().encode

    def decode(self, data: str | bytes) -> Message:
        """The message in `data`. Raises `BadMessage` and nothing else, naming the field at fault."""
        try:
            message: Message = self._decode(data)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            # Also where duplicate types confuse the fast path: here the last one wins, as for every key.
            return self._decode_slowly(data)
        # Fewer brackets than that cannot nest too deep. Messages within a message are judged one by one.
        many = data.count("{") + data.count("[") if isinstance(data, str) else data.count(b"{") + data.count(b"[")
        if many > MAX_DEPTH or type(message) is HistoryMessage:
            return self._decode_slowly(data)
        try:
            validation.check(message)
        except BadMessage as error:
            error.message_id = id_of(message.message_id)
            raise
        return message

    def encode(self, message: Message) -> bytes:
        """The message as compact JSON. Raises `BadMessage` for text that UTF-8 has no form for."""
        try:
            return self._encode(message)
        except (TypeError, ValueError, RecursionError) as error:
            raise validation.cannot_encode(message, error) from None

    def convert(self, value: Any, *, depth_known: bool = False) -> Message:
        """The message that `value`, a tree of builtins, stands for. Raises `BadMessage`.

        The other codec decodes through it too, so that both accept and refuse the same; it says `depth_known`
        where nothing can be nested too deep.
        """
        try:
            return self._convert(value, depth_known)
        except BadMessage as error:
            if error.message_id is None and isinstance(value, dict):
                error.message_id = id_of(value.get("messageId"))
            raise

    def _decode_slowly(self, data: str | bytes) -> Message:
        try:
            value = _parse(data)
        except RecursionError:
            raise BadMessage("invalid_message", TOO_DEEP, field="message") from None
        except (msgspec.DecodeError, ValueError) as error:
            value = _parse_leniently(data, error)
        return self.convert(value)

    def _convert(self, value: Any, depth_known: bool) -> Message:
        if not isinstance(value, dict):
            raise BadMessage("invalid_message", "a message is an object", field="message")
        name = value.get("type")
        if not isinstance(name, str):
            raise BadMessage("invalid_message", "a message has a type, a string", field="type")
        kind: Any = self._classes.get(name)
        if kind is None:
            if not self._catalog.accept_unknown or not name:
                raise BadMessage("unknown_type", f"nobody knows {name[:64]!r}", field="type")
            kind = UnknownMessage
        within = None
        if kind is HistoryMessage and isinstance(value.get("messages"), list):
            within = self._convert_each(value["messages"])
            value = {**value, "messages": []}
        if not depth_known:
            validation.check_depth(value)
        try:
            message: Message = msgspec.convert(value, kind, str_keys=True)
        except msgspec.ValidationError as error:
            raise _bad_message(error, value) from None
        validation.check(message)
        if within is not None:
            message.messages = within  # type: ignore[attr-defined]
        return message

    def _convert_each(self, items: list[Any]) -> list[Message]:
        """The messages of a `history` answer: each has its 16 levels, and none is a `history` itself."""
        found = []
        for place, item in enumerate(items):
            try:
                if isinstance(item, dict) and item.get("type") == HistoryMessage.type:
                    raise BadMessage("invalid_message", "is a history in a history", field="type")
                found.append(self._convert(item, False))
            except BadMessage as error:
                where = f"messages[{place}]"
                error.field = where if error.field == "message" else f"{where}.{error.field}"
                raise
        return found


def _parse_leniently(data: str | bytes, error: Exception) -> Any:
    """What Python's own parser makes of JSON that msgspec refuses whole, so that the field can be named.

    That is numbers out of any range (infinite here) and lone surrogates.
    """
    try:
        text = data if isinstance(data, str) else data.decode()
        value = json.loads(text, parse_int=_integer, parse_constant=_refuse)
    except RecursionError:
        raise BadMessage("invalid_message", TOO_DEEP, field="message") from None
    except ValueError:
        raise BadMessage("invalid_json", printable(str(error))) from None
    validation.check_surrogates(value)
    return value


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= 20 else math.inf


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def _bad_message(error: msgspec.ValidationError, value: dict[str, Any]) -> BadMessage:
    text = str(error)
    path = _PATH.search(text)
    reason = text[: path.start()] if path else text
    field = path.group(1) if path else ""
    missing = _MISSING.search(reason)
    if missing:
        field = f"{field}.{missing.group(1)}" if field else missing.group(1)
    field = field.replace("[...]", ".*") or "message"
    # An empty channel is a channel, if of no kind; one that is no string breaks the message.
    code = "invalid_channel" if field == "channel" and value.get("channel") == "" else "invalid_message"
    return BadMessage(code, printable(reason), field=printable(field))

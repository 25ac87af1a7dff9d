"""From messages to frames: what is shared, what is hidden from older clients, what is refused from them."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from msgspec import UNSET

from hubbub.errors import BadMessage
from hubbub.protocol.channels import parse_channel
from hubbub.protocol.deflate import inflate
from hubbub.protocol.frames import BINARY, TEXT, server_frame
from hubbub.protocol.messages import AckMessage, HistoryMessage, Message
from hubbub.protocol.versions import HIGHEST, SUPPORTED, ProtocolVersion, parse_version
from hubbub.protocol.wire import Profile, message_version, profile_of
from hubbub.testing.transport import split_frames
from tests.protocol.samples import SAMPLES, envelope, make_wire

WIRE = make_wire()
V10, V11, V12 = SUPPORTED
PROFILES = [
    profile_of(codec, version, deflate)
    for codec, version, deflate in itertools.product(("json", "protobuf"), SUPPORTED, (False, True))
]


def message(kind: str, **fields: Any) -> Message:
    return WIRE.json.decode(json.dumps(SAMPLES[kind] | fields))


def unframed(profile: Profile, frame: bytes) -> bytes:
    """The message in a server frame of this profile."""
    assert frame[0] & 0x8F == 0x80 | (TEXT if profile.codec == "json" else BINARY)
    body = frame[{126: 4, 127: 10}.get(frame[1], 2) :]
    return inflate(body, 100_000) if frame[0] & 0x40 else body


def test_profiles_are_interned() -> None:
    assert profile_of("json") is profile_of("json", HIGHEST, False)
    assert len({id(profile) for profile in PROFILES}) == len(PROFILES) == 12
    with pytest.raises(KeyError):
        profile_of("json", ProtocolVersion(1, 3))


@pytest.mark.parametrize("profile", PROFILES, ids=str)
def test_every_profile_carries_a_frame(profile: Profile) -> None:
    sent = message("vote")
    assert WIRE.decode(profile, unframed(profile, WIRE.frame(profile, sent))) == sent


@pytest.mark.parametrize("profile", PROFILES, ids=str)
def test_a_delivery_is_the_record_with_its_offset(profile: Profile) -> None:
    sent = message("image", offset=5)
    sent.offset = UNSET
    record = WIRE.encode_record(sent)
    frames = {WIRE.delivery_frame(profile, record, 77, given) for given in (None, sent)}
    assert len(frames) == 1
    got = WIRE.decode(profile, unframed(profile, frames.pop()))
    assert (got.offset, sent.offset) == (77, UNSET)
    assert got == WIRE.decode_record(record, 77)


def test_small_messages_go_uncompressed() -> None:
    profile = profile_of("json", V12, True)
    content = "x" * 300
    large = message("text", payload={"content": content})
    small = message("ping")
    assert WIRE.frame(profile, small) == server_frame(TEXT, WIRE.json.encode(small))
    assert WIRE.frame(profile, large)[0] & 0x40
    assert not WIRE.frame(profile_of("json"), large)[0] & 0x40


@pytest.mark.parametrize("codec", ["json", "protobuf"])
def test_later_fields_are_hidden_from_older_clients(codec: str) -> None:
    sent = message("text", payload={"content": "Hi", "mentions": ["bob"]})
    record = WIRE.encode_record(sent)
    for version, mentions in ((V10, []), (V11, ["bob"]), (V12, ["bob"])):
        profile = profile_of(codec, version)
        for frame in (
            WIRE.frame(profile, sent),
            WIRE.delivery_frame(profile, record, 1, None),
            WIRE.delivery_frame(profile, record, 1, sent),
        ):
            got: Any = WIRE.decode(profile, unframed(profile, frame))
            assert (got.payload.content, got.payload.mentions) == ("Hi", mentions)
    assert sent.payload.mentions == ["bob"]


def test_later_fields_of_registered_types_are_hidden() -> None:
    payload = {"to": {"x": 1.0, "y": 1.0}, "steps": 1, "extra": {"1": 2}, "speed": 2.5}
    sent = message("move", payload=payload)
    assert WIRE.hide_newer(sent, V11).payload == {key: payload[key] for key in ("to", "steps", "extra")}
    assert WIRE.hide_newer(sent, V12) is sent
    note = message("team.note")
    assert WIRE.hide_newer(note, V10).payload == {"title": "t", "tags": []}


def test_messages_of_a_history_are_hidden_alike() -> None:
    answer = HistoryMessage(messages=[message("text"), message("ping")])
    shown = WIRE.hide_newer(answer, V10)
    assert isinstance(shown, HistoryMessage)
    assert "mentions" not in shown.messages[0].payload  # type: ignore[index]
    assert shown.messages[1] is answer.messages[1]  # type: ignore[index]
    through = WIRE.decode(profile_of("protobuf", V10), WIRE.body(profile_of("protobuf", V10), answer))
    assert isinstance(through, HistoryMessage)
    assert through.messages[0].payload.mentions == []  # type: ignore[index]


def test_an_unmute_is_no_field_to_hide() -> None:
    unmute = message("command", payload={"action": "unmute", "target": "bob"})
    body = WIRE.body(profile_of("json", V10), unmute)
    assert json.loads(body)["payload"]["action"] == "unmute"


def test_later_fields_from_older_clients_are_ignored_where_it_says_so() -> None:
    sent = message("text")
    judged: Any = WIRE.judge_newer(sent, V10)
    assert (judged.payload.content, judged.payload.mentions) == ("Hello", [])
    assert judged.message_id == sent.message_id
    assert judged.metadata == sent.metadata
    assert WIRE.judge_newer(sent, V11) is sent
    plain = message("text", payload={"content": "Hi"})
    assert WIRE.judge_newer(plain, V10) is plain
    note: Any = WIRE.judge_newer(message("team.note"), V10)
    assert note.payload == {"title": "t", "tags": []}


@pytest.mark.parametrize(
    ("sent", "version", "field"),
    [
        (envelope("move", payload=SAMPLES["move"]["payload"] | {"speed": 1}), V11, "payload.speed"),
        (envelope("command", payload={"action": "unmute", "target": "bob"}), V10, "payload.action"),
    ],
)
def test_and_refused_where_not(sent: dict[str, Any], version: ProtocolVersion, field: str) -> None:
    decoded = WIRE.json.decode(json.dumps(sent))
    with pytest.raises(BadMessage) as caught:
        WIRE.judge_newer(decoded, version)
    assert (caught.value.code, caught.value.field) == ("invalid_message", field)
    assert WIRE.judge_newer(decoded, V12) is decoded


def test_an_old_client_may_still_do_what_it_could() -> None:
    join = message("command", payload={"action": "join"})
    assert WIRE.judge_newer(join, V10) is join
    empty = message("unsubscribed")
    assert WIRE.judge_newer(empty, V10) is empty


def test_the_version_that_judges_a_message() -> None:
    assert message_version(message("text", version="1.1"), V10) == V11
    assert message_version(message("ping"), V10) == V10
    assert message_version(message("text", version="7.1"), V10) == parse_version("7.1")


def test_the_ack_made_by_hand_is_the_one_that_the_codec_makes() -> None:
    channel = parse_channel('room:a "quoted" \\ ü')
    id = "01234567-0000-4000-8000-00000000000A"
    message = AckMessage(message_id=id, channel=channel.text, offset=7, epoch='e"')
    for codec in ("json", "protobuf"):
        profile = profile_of(codec)
        made = WIRE.ack_frame(profile, id, channel, 7, 'e"')
        assert WIRE.decode(profile, split_frames(made)[0]) == message

"""What the package promises: changing this list is changing the API."""

import hubbub

NAMES = """
BadMessage Catalog ChannelHandler Client ClientOptions Command ConfigurationError Conflict ConnectionClosed
ConnectionState Context
Data Denied File Hubbub HubbubError Image InternalError JwtSettings Listener Message MessagesMissed OutcomeUnknown
Participant Position ProtocolError RoomSettings Settings Subscription Text Transfer TryLater Upgrade User connect
load_settings
""".split()


def test_the_names_are_these() -> None:
    assert sorted(hubbub.__all__) == sorted(NAMES)
    assert all(getattr(hubbub, name) for name in NAMES)


def test_every_public_thing_is_documented() -> None:
    undocumented = [name for name in NAMES if not (getattr(hubbub, name).__doc__ or "").strip()]
    assert undocumented == []

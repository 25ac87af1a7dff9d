"""A transport that keeps what it is given, instead of a socket."""

from __future__ import annotations

from hubbub.protocol.frames import TEXT
from hubbub.protocol.messages import Message
from hubbub.protocol.wire import Profile, Wire


class RecordingTransport:
    """Implements `hubbub.ports.Transport`. `unread` plays a socket that does not drain: set it and ask the hub."""

    def __init__(self) -> None:
        self.writes: list[bytes] = []
        self.pings = 0
        self.closed: tuple[int, str] | None = None
        self.aborted = False
        self.unread = 0

    def write(self, frames: bytes, /) -> None:
        if self.closed is None:
            self.writes.append(frames)

    def send(self, frames: bytes) -> int:
        self.write(frames)
        return len(frames)

    def ping(self, payload: bytes) -> None:
        self.pings += 1

    def close(self, code: int, reason: str = "") -> None:
        self.closed = self.closed or (code, reason)

    def abort(self) -> None:
        self.aborted = True

    def buffered(self) -> int:
        return self.unread

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def take(self, wire: Wire, profile: Profile) -> list[Message]:
        """The messages written since the last call."""
        data = b"".join(self.writes)
        self.writes.clear()
        return [wire.decode(profile, body) for body in split_frames(data)]


def split_frames(data: bytes) -> list[str | bytes]:
    """The payloads of unmasked, uncompressed server frames."""
    found, rest = take_frames(data)
    assert not rest, "a frame is cut off"
    return found


def take_frames(data: bytes) -> tuple[list[str | bytes], bytes]:
    """As `split_frames`, and what is left of a frame that has not come to its end."""
    found: list[str | bytes] = []
    place = 0
    while len(data) - place >= 2:
        opcode, size = data[place] & 0x0F, data[place + 1]
        start = place + 2
        if size >= 126:
            width = 2 if size == 126 else 8
            size = int.from_bytes(data[start : start + width], "big")
            # Without all of its length a frame is not at its end in any case.
            start += width
        if start + size > len(data):
            break
        payload = data[start : start + size]
        found.append(payload.decode() if opcode == TEXT else payload)
        place = start + size
    return found, data[place:]

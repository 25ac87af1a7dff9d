"""A peer's socket."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class Transport(Protocol):
    """One peer's socket, as the hub sees it. Nothing blocks; writing to a closed one does nothing."""

    @property
    def send(self) -> Callable[[bytes], int]:
        """The hot path's `write`: takes of one or more ready frames what it can at once, and returns how many bytes.

        The rest is to be given to `write`, and so is all of it when this raises `OSError`.
        """
        ...

    def write(self, frames: bytes, /) -> object:
        """Sends one or more ready WebSocket frames, now or when the socket drains."""
        ...

    def ping(self, payload: bytes) -> None: ...

    def close(self, code: int, reason: str = "") -> None:
        """Begins the closing handshake; what was written before goes out first."""
        ...

    def abort(self) -> None:
        """Ends the connection at once."""
        ...

    def buffered(self) -> int:
        """Bytes written and not yet taken by the socket."""
        ...

    def pause_reading(self) -> None:
        """Nothing more is wanted of the peer for now."""
        ...

    def resume_reading(self) -> None: ...

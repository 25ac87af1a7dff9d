"""What the hub asks of whoever keeps its logs. Answers may come at once or later, always as a call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from hubbub.protocol.payloads import Position

if TYPE_CHECKING:
    from hubbub.hub.publishing import Publication


class Stretch(Protocol):
    """A stretch of a log, in order (`hubbub.ports.Page` says it in full)."""

    @property
    def epoch(self) -> str: ...
    @property
    def entries(self) -> Sequence[tuple[int, bytes]]: ...
    @property
    def oldest(self) -> int: ...
    @property
    def head(self) -> int: ...
    @property
    def complete(self) -> bool: ...


class Journal(Protocol):
    """Implemented by `hubbub.node`. `then` gets None when the log cannot be had now."""

    def append(self, batch: list[Publication]) -> None:
        """Appends a turn's publications, and tells the hub by `Hub.committed`, in order."""
        ...

    def read(
        self,
        log: str,
        then: Callable[[Stretch | None], None],
        *,
        after: int = 0,
        before: int | None = None,
        limit: int,
        newest: bool = False,
    ) -> None: ...

    def head(self, log: str, then: Callable[[Position | None], None]) -> None: ...

    def forget(self, session: str) -> None: ...

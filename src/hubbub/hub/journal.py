"""What the hub asks of whoever keeps its logs. Answers may come at once or later, always as a call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from hubbub.protocol.payloads import Position

if TYPE_CHECKING:
    from hubbub.hub.feed import Feed
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

    @property
    def is_shared(self) -> bool:
        """Whether other nodes append to the logs too: then records come that were not published here."""
        ...

    def follow(self, log: str, then: Callable[[Position | None], None]) -> None:
        """As `head`. From there on every record comes to the hub, whoever appended it, until `unfollow`."""
        ...

    def unfollow(self, log: str) -> None:
        """Nobody here reads the log any more."""
        ...

    def doubt(self, feed: Feed, epoch: str, oldest: int) -> None:
        """The feed may not be where its log is: that had this epoch, and began at `oldest`, when it was read.

        The hub is told what there is to be told, and then lagging readers are read on for.
        """
        ...

    def forget(self, session: str) -> None: ...

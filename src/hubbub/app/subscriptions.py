"""The application's own subscriptions: a position in a log, read at the loop's own pace."""

from __future__ import annotations

from collections import deque
from types import TracebackType

from hubbub.app.readers import LogReader
from hubbub.hub.hub import Hub
from hubbub.protocol.messages import Message


class ChannelReading:
    """Every message of a channel or topic pattern: `async for`, from the first iteration on.

    `async with` takes the position at the head of the log when the block begins, and ends with it. Iterating
    again after a `MessagesMissed` goes on with the oldest message that is kept.
    """

    def __init__(self, hub: Hub, channel: str) -> None:
        """Raises `BadMessage` for a channel of no kind."""
        self._is_open = False
        self._reader = LogReader(hub, channel)
        self._read: deque[Message] = deque()

    async def __aenter__(self) -> ChannelReading:
        await self._open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def __aiter__(self) -> ChannelReading:
        return self

    async def __anext__(self) -> Message:
        """Raises `MessagesMissed` once for each loss, and `HubbubError` while the log cannot be read."""
        await self._open()
        while not self._read:
            messages = await self._reader.read()
            if messages is None:
                raise StopAsyncIteration
            self._read.extend(message for _, message in messages)
        return self._read.popleft()

    async def aclose(self) -> None:
        """Listens no more. Harmless twice."""
        self._reader.close()

    def __del__(self) -> None:
        # An iteration that was left by `break` is closed by nobody.
        if self._is_open:
            self._reader.close()

    async def _open(self) -> None:
        if not self._is_open:
            await self._reader.open()
            self._is_open = True

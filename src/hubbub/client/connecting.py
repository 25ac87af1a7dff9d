"""Opening a client: `async with hubbub.connect(url) as client`."""

from __future__ import annotations

from collections.abc import Generator
from types import TracebackType
from typing import Any, Unpack

from hubbub.client.client import Client
from hubbub.client.options import ClientOptions, Options


class connect:
    """`async with connect(url) as client`, or `client = await connect(url)` and later `await client.close()`.

    `url` is `ws://host:port/ws`. `options` are the fields of `ClientOptions`: `token` (a string, or a callable that
    is asked for every connection) proves who one is; `user` is a name where anonymous users are allowed;
    `profile` is what one says of oneself; `codec` is `json` or `protobuf`; a `catalog` knows types that the
    application registered; `max_reconnect_attempts`, `outbox_path` and others say how hard it tries.

    Raises `Denied`, `ConnectionClosed`, `OSError` when the first connection fails. With `background` it does not
    wait for it: the client is there at once, and what is asked of it waits until there is a connection.
    """

    def __init__(self, url: str, *, background: bool = False, **options: Unpack[Options]) -> None:
        """Raises `ConfigurationError`, naming the option."""
        self._url = url
        self._background = background
        self._options = ClientOptions(**options)
        self._client: Client | None = None

    def __await__(self) -> Generator[Any, None, Client]:
        return self._open().__await__()

    async def __aenter__(self) -> Client:
        self._client = await self._open()
        return self._client

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._client is not None:
            await self._client.close()

    async def _open(self) -> Client:
        client = Client(self._url, self._options)
        await client.start(background=self._background)
        return client

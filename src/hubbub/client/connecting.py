"""Opening a connection: `async with hubbub.connect(url) as client`."""

from __future__ import annotations

from collections.abc import Generator
from types import TracebackType
from typing import Any

from hubbub.client.client import Client
from hubbub.client.socket import open_socket
from hubbub.errors import ConfigurationError
from hubbub.protocol.catalog import Catalog
from hubbub.protocol.messages import HelloMessage
from hubbub.protocol.payloads import Hello
from hubbub.protocol.versions import HIGHEST
from hubbub.protocol.wire import Wire, profile_of


class connect:
    """`async with connect(url) as client`, or `client = await connect(url)` and later `await client.close()`.

    `url` is `ws://host:port/ws`. `token` proves who one is; `user` is a name where anonymous users are
    allowed; `profile` is what one says of oneself. `codec` is `json` or `protobuf`. A `catalog` knows types that
    the application registered. Raises `Denied`, `ConnectionClosed`, `OSError`.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        user: str | None = None,
        profile: dict[str, Any] | None = None,
        codec: str = "json",
        compression: bool = True,
        catalog: Catalog | None = None,
        patience: float = 15.0,
    ) -> None:
        if codec not in ("json", "protobuf"):
            raise ConfigurationError("codec", "say json or protobuf")
        self._url = url
        self._token = token
        self._user = user
        self._profile = profile
        self._codec = codec
        self._compression = compression
        self._catalog = catalog or Catalog(accept_unknown=True)
        self._patience = patience
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
        client = Client(Wire(self._catalog), profile_of(self._codec), patience=self._patience)
        socket = await open_socket(
            self._url,
            subprotocol=f"hubbub.{self._codec}",
            token=self._token,
            compression=self._compression,
            on_message=client.received,
            on_closed=client.lost,
        )
        hello = Hello()
        if self._token is not None:
            hello.token = self._token
        if self._user is not None:
            hello.user = self._user
        if self._profile is not None:
            hello.profile = self._profile
        try:
            await client.greet(socket, HelloMessage(version=str(HIGHEST), payload=hello))
        except BaseException:
            socket.abort()
            raise
        return client

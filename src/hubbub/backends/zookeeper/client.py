"""A connection to a ZooKeeper ensemble: kazoo's threads do the waiting, and tell the loop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, NamedTuple
from urllib.parse import quote, unquote, urlsplit

from kazoo.client import KazooClient
from kazoo.exceptions import (
    ConnectionClosedError,
    ConnectionLoss,
    NoAuthError,
    NoNodeError,
    NotEmptyError,
    SessionExpiredError,
)
from kazoo.protocol.states import KazooState
from kazoo.security import make_digest_acl

from hubbub.errors import ConfigurationError, TryLater

log = logging.getLogger("hubbub.zookeeper")

PORT = 2181
SESSION_TIMEOUT = 10.0
"""Seconds after which the ensemble takes a silent client for dead, and drops its ephemeral nodes."""

PATIENCE = 5.0
"""Seconds that a question may take, over as many connections as it needs."""

_LOST = (ConnectionLoss, SessionExpiredError, ConnectionClosedError)
_RECONNECT = {"max_tries": -1, "delay": 0.1, "max_delay": 1.0}


class Client:
    """Asks the ensemble, and asks again when the connection is lost meanwhile. Every path begins with `root`.

    What is asked must be harmless to repeat: a change may have been made although its answer was lost.
    Raises `TryLater` (`unavailable`) when no answer comes in time.
    """

    def __init__(
        self, address: Address, *, patience: float = PATIENCE, session_timeout: float = SESSION_TIMEOUT
    ) -> None:
        self.root = address.root
        self._servers = address.servers
        self._patience = patience
        self._kazoo = KazooClient(
            hosts=address.servers,
            timeout=session_timeout,
            connection_retry=dict(_RECONNECT),
            logger=log,
            auth_data=[("digest", ":".join(address.login))] if address.login else None,
            # What is made with a login is for that login alone.
            default_acl=[make_digest_acl(*address.login, all=True)] if address.login else None,
        )
        self._connected = asyncio.Event()
        self._was_lost = False
        self._revived: Callable[[], None] | None = None
        self._loop: asyncio.AbstractEventLoop

    @property
    def session_id(self) -> int:
        """The owner of the ephemeral nodes that are made now."""
        known = self._kazoo.client_id
        return 0 if known is None else int(known[0])

    def on_new_session(self, call: Callable[[], None]) -> None:
        """Calls when the ensemble has dropped this client's ephemeral nodes and it is connected again."""
        self._revived = call

    async def open(self, setting: str, patience: float) -> None:
        """Waits until it is connected and `root` exists. Raises `ConfigurationError` that names the setting."""
        self._loop = asyncio.get_running_loop()
        self._kazoo.add_listener(self._tell)
        self._kazoo.start_async()
        try:
            async with asyncio.timeout(patience):
                await self._connected.wait()
                await self.ensure(self.root)
                await self.children(self.root)
        except NoAuthError:
            await self.close()
            raise ConfigurationError(
                setting, f"{self.root} of ZooKeeper at {self._servers} is not for this login; correct user or password"
            ) from None
        except (TimeoutError, TryLater):
            await self.close()
            raise ConfigurationError(
                setting,
                f"no ZooKeeper answers at {self._servers} within {patience:g} s; start it, or correct the address",
            ) from None

    async def close(self) -> None:
        """Ends the session: its ephemeral nodes are gone at once."""
        await asyncio.get_running_loop().run_in_executor(None, self._stop)

    async def ask(self, begin: Callable[[KazooClient], Any]) -> Any:
        """The answer to what `begin` asks of kazoo. Raises kazoo's exception when it is a refusal."""
        try:
            async with asyncio.timeout(self._patience):
                while True:
                    await self._connected.wait()
                    try:
                        return await self._answer(begin(self._kazoo))
                    except _LOST as error:
                        log.debug("ZooKeeper is asked again: %r", error)
        except TimeoutError:
            raise TryLater("unavailable", f"ZooKeeper at {self._servers} does not answer") from None

    async def get(self, path: str) -> tuple[bytes, Any] | None:
        """A node's value and status, None when there is none."""
        try:
            value, status = await self.ask(lambda kazoo: kazoo.get_async(path))
        except NoNodeError:
            return None
        return value, status

    async def children(self, path: str) -> Sequence[str]:
        """The names below a node, none when there is no node."""
        try:
            names: Sequence[str] = await self.ask(lambda kazoo: kazoo.get_children_async(path))
        except NoNodeError:
            return ()
        return names

    async def ensure(self, path: str) -> None:
        """Makes the node, and those above it, where they are missing."""
        await self.ask(lambda kazoo: kazoo.ensure_path_async(path))

    async def prune(self, path: str) -> None:
        """Deletes a node that nothing is below."""
        with suppress(NotEmptyError, NoNodeError):
            await self.ask(lambda kazoo: kazoo.delete_async(path))

    async def commit(self, fill: Callable[[Any], None]) -> tuple[int, Exception] | None:
        """Does all that `fill` adds to a transaction, or nothing: then which step failed first, and why."""

        def begin(kazoo: KazooClient) -> Any:
            transaction = kazoo.transaction()
            fill(transaction)
            return transaction.commit_async()

        results = await self.ask(begin)
        failures = [(step, result) for step, result in enumerate(results) if isinstance(result, Exception)]
        # The steps before and after the one that failed say that they were rolled back.
        return next((failure for failure in failures if not _is_rolled_back(failure[1])), None)

    async def _answer(self, pending: Any) -> Any:
        loop = self._loop
        future: asyncio.Future[Any] = loop.create_future()

        def settle() -> None:
            if future.done():
                return
            if pending.exception is None:
                future.set_result(pending.value)
            else:
                future.set_exception(pending.exception)

        pending.rawlink(lambda _: _call_in(loop, settle))
        return await future

    def _tell(self, state: str) -> None:
        _call_in(self._loop, lambda: self._changed(state))

    def _changed(self, state: str) -> None:
        if state != KazooState.CONNECTED:
            self._connected.clear()
            self._was_lost = self._was_lost or state == KazooState.LOST
            return
        self._connected.set()
        if self._was_lost:
            self._was_lost = False
            if self._revived is not None:
                self._revived()

    def _stop(self) -> None:
        self._kazoo.stop()
        self._kazoo.close()


class Address(NamedTuple):
    """What `zookeeper://user:password@host:port,host:port/path` says; `login` is empty without a user."""

    servers: str
    root: str
    login: tuple[str, ...] = ()


def parse(url: str, setting: str, cluster: str) -> Address:
    """Everything is kept below `/CLUSTER` where no path is said. Raises `ConfigurationError` that names the setting."""
    parts = urlsplit(url)
    user, _, places = parts.netloc.rpartition("@")
    servers = [server if ":" in server else f"{server}:{PORT}" for server in places.split(",") if server]
    root = parts.path.rstrip("/") or f"/{cluster}"
    for server in servers:
        host, _, port = server.rpartition(":")
        if not host or not port.isdecimal():
            raise ConfigurationError(setting, f"{server!r} is no host:port; {_FORM}")
    if parts.scheme != "zookeeper" or not servers or "//" in root or parts.query:
        raise ConfigurationError(setting, _FORM)
    name, _, password = user.partition(":")
    return Address(",".join(servers), root, (unquote(name), unquote(password)) if user else ())


def segment(kind: str, name: str) -> str:
    """A name of any characters as one part of a path."""
    return f"{kind}-{quote(name, safe='')}"


_FORM = "write it as zookeeper://host:2181,host:2181/path"


def _is_rolled_back(error: Exception) -> bool:
    return type(error).__name__ in {"RolledBackError", "RuntimeInconsistency"}


def _call_in(loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> None:
    try:
        loop.call_soon_threadsafe(call)
    except RuntimeError:
        log.debug("the loop that waited for ZooKeeper is closed")

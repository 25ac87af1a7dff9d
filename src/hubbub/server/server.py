"""A running server: it listens, joins sockets to its node's hub, and stops when what is in flight is out."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from http import HTTPStatus

import msgspec
from picows import (
    WSListener,
    WSUpgradeRequest,
    WSUpgradeResponse,
    WSUpgradeResponseWithListener,
)

from hubbub.errors import ConfigurationError
from hubbub.hub.connection import State
from hubbub.node.cluster import Cluster
from hubbub.node.node import Node
from hubbub.ports import Transport
from hubbub.protocol.wire import SUBPROTOCOLS
from hubbub.server.addresses import FORWARDED, TrustedProxies
from hubbub.server.admission import Admission
from hubbub.server.connect import Guide
from hubbub.server.conversation import Conversation
from hubbub.server.gate import Gate, Upgrade
from hubbub.server.listener import MessageListener, Talk
from hubbub.server.metrics import CONTENT_TYPE, Metrics
from hubbub.server.pages import Pages
from hubbub.server.parsing import listen
from hubbub.server.transport import PicowsTransport
from hubbub.server.upgrade import (
    Rejected,
    check_origin,
    choose_extension,
    choose_subprotocol,
    find_token,
    normalise,
)

log = logging.getLogger("hubbub.server")


class Server:
    """One node behind one port. `start` and `stop` once."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.hub = node.hub
        self.settings = node.settings
        self._gate: Gate
        self._pages: Pages
        self._listening: list[asyncio.Server] = []
        """On the port, and on this process's own where that is another."""
        self._stopping = False
        self._moving: asyncio.Future[None] | None = None
        self._proxies = TrustedProxies(self.settings.trusted_proxies)
        self.admission: Admission | None = None
        """Who may connect over the port; None while there is none."""
        self.metrics = Metrics(node, lambda: self.admission)
        self.guide = Guide(self.settings.node_name, lambda: self.url)

    async def start(self, gate: Gate, *, listen: bool = True) -> None:
        """Listens, unless it is told not to. Raises `ConfigurationError` when the address cannot be had."""
        self._gate = gate
        await self.node.start()
        if listen:
            try:
                await self._listen()
            except ConfigurationError:
                self._hang_up()
                await self.node.stop()
                raise
            log.info("listening on %s", self.url)
        if self.node.cluster is not None:
            await self._join(self.node.cluster)

    def attach(self, transport: Transport, *, codec: str = "json", token: str | None = None) -> Conversation:
        """Joins a peer that came another way than over this server's port; what it says goes to what is returned."""
        return Conversation(self.hub, self._gate, Upgrade("/ws", {}, token), transport, codec=codec, deflate=False)

    async def _listen(self) -> None:
        settings = self.settings
        self.admission = Admission(settings)
        made = {"/health": self._answer_health, "/connect": self._answer_connect, "/metrics": self._answer_metrics}
        self._pages = Pages(self.hub.catalog, made)
        await self._listen_on("port", settings.port, shared=settings.reuse_port)
        if settings.own_port is not None:
            await self._listen_on("own_port", settings.own_port, shared=False)

    async def _listen_on(self, setting: str, port: int, *, shared: bool) -> None:
        settings = self.settings
        try:
            server = await listen(
                self._upgrade,
                settings.host,
                port,
                max_message=settings.max_message,
                handshake_timeout=settings.hello_timeout,
                reuse_port=shared,
            )
        except OSError as error:
            raise ConfigurationError(
                setting, f"cannot listen on {settings.host}:{port}: {error.strerror}; choose another"
            ) from None
        self._listening.append(server)

    def _hang_up(self) -> None:
        """Nobody new comes any more."""
        for server in self._listening:
            server.close()

    async def _join(self, cluster: Cluster) -> None:
        """Tells the other nodes where clients reach this one and how many it takes, and clients of the others."""
        self.guide.choose = cluster.members.least_loaded
        if self.admission is not None:
            cluster.members.capacity = self.admission.limit
        await cluster.advertise(self.settings.advertise or self._own_url())

    @property
    def port(self) -> int:
        """The port that it listens on, also where the setting was 0."""
        return _port_of(self._listening[0])

    @property
    def url(self) -> str:
        return self._url(self._listening[0])

    def _url(self, server: asyncio.Server) -> str:
        return url_of(self.settings.host, _port_of(server))

    def _own_url(self) -> str:
        """Where clients reach this node, empty where nobody can know that, or where others listen as well."""
        if not self._listening or (self.settings.reuse_port and self.settings.own_port is None):
            return ""
        if self.settings.host in ("", "0.0.0.0", "::"):  # noqa: S104
            log.warning("other nodes cannot send clients here: set `advertise` to this node's ws:// URL")
            return ""
        return self._url(self._listening[-1]).replace("http", "ws", 1) + "/ws"

    def _node_urls(self) -> list[str]:
        """Where clients reach the nodes of the cluster, this one included."""
        if self.node.cluster is None:
            return []
        members = self.node.cluster.members
        return [node.url for node in (members.record, *members.others())]

    async def stop(self, finish: Callable[[], Awaitable[None]] | None = None) -> None:
        """Lets no one in any more, sends what is in flight, says 1001 to everyone, and waits for them to go.

        Where there are other nodes, they are moved there first, over `drain_over` seconds.
        Who has not gone after `drain_timeout` seconds is cut off. `finish` is for whoever still reads the log: it is
        awaited when nobody is connected any more, and then the log is closed.
        """
        if self._stopping:
            return
        self._stopping = True
        self._hang_up()
        if self.node.cluster is not None:
            await self._move_away(self.node.cluster)
        try:
            async with asyncio.timeout(self.settings.drain_timeout):
                await self._drain()
        except TimeoutError:
            log.warning("%d connections did not go in time", len(self.hub.connections))
        for connection in list(self.hub.connections.values()):
            connection.transport.abort()
        if self.admission is not None:
            self.admission.abort()
        for server in self._listening:
            await server.wait_closed()
        try:
            if finish is not None:
                await finish()
        finally:
            await self.node.stop()

    async def _move_away(self, cluster: Cluster) -> None:
        moving = self._moving = asyncio.ensure_future(cluster.drain(self.settings.drain_over))
        try:
            # Not awaited itself: it may be cancelled.
            await asyncio.wait((moving,))
        finally:
            moving.cancel()
        if not moving.cancelled() and (error := moving.exception()) is not None:
            log.error("the clients could not be moved away", exc_info=error)

    def hurry(self) -> None:
        """Waits for no more clients to get to other nodes; does nothing at any other time."""
        if self._moving is not None:
            self._moving.cancel()

    @property
    def _is_leaving(self) -> bool:
        """Whether nobody new is let in."""
        return self._stopping or (self.node.cluster is not None and self.node.cluster.is_draining)

    async def _drain(self) -> None:
        await self.node.settle()
        for connection in list(self.hub.connections.values()):
            if connection.state is not State.CLOSING:
                self.hub.close(connection, 1001, "the server stops")
        if self.admission is not None:
            self.admission.close()
        if self.hub.connections:
            emptied = asyncio.Event()
            self.hub.on_empty = emptied.set
            await emptied.wait()
        if self.admission is not None and self.admission.waiting:
            gone = asyncio.Event()
            self.admission.on_empty = gone.set
            await gone.wait()

    def _health(self) -> dict[str, object]:
        away = self.node.away
        health: dict[str, object] = {
            "status": self._status(bool(away)),
            "node": self.settings.node_name,
            "connections": len(self.hub.connections),
        }
        if away:
            health["away"] = away
        if self.node.cluster is not None:
            health["cluster"] = self.node.cluster.health()
        return health

    def _status(self, is_degraded: bool) -> str:
        if self._stopping:
            return "stopping"
        if self._is_leaving:
            return "draining"
        return "degraded" if is_degraded else "ok"

    def _answer_health(self, request: WSUpgradeRequest) -> tuple[str, bytes]:
        return "application/json", msgspec.json.encode(self._health())

    def _answer_connect(self, request: WSUpgradeRequest) -> tuple[str, bytes]:
        # Whoever lies here is told a URL that does not work for it.
        is_secure = request.headers.get("X-Forwarded-Proto", "") == "https"
        return "application/json", self.guide.answer(request, is_secure=is_secure)

    def _answer_metrics(self, request: WSUpgradeRequest) -> tuple[str, bytes]:
        return CONTENT_TYPE, self.metrics.text()

    def _upgrade(self, request: WSUpgradeRequest, peer: str) -> WSListener | WSUpgradeResponseWithListener | None:
        path = request.path.decode("ascii", "replace").partition("?")[0]
        if path != "/ws":
            return WSUpgradeResponseWithListener(self._pages.respond(request, path), None)
        try:
            return self._accept(request, path, self._proxies.client(peer, request.headers.getall(FORWARDED, [])))
        except Rejected as rejected:
            later = {} if rejected.retry_after is None else {"Retry-After": str(rejected.retry_after)}
            response = WSUpgradeResponse.create_error_response(
                HTTPStatus(rejected.status), f"{rejected.reason}\n".encode(), later
            )
            return WSUpgradeResponseWithListener(response, None)
        except Exception:
            # picows would tell the peer what went wrong.
            log.exception("an upgrade failed")
            return WSUpgradeResponseWithListener(WSUpgradeResponse.create_error_response(500), None)

    def _accept(self, request: WSUpgradeRequest, path: str, address: str) -> WSUpgradeResponseWithListener:
        admission = self.admission
        assert admission is not None
        if request.headers.get("Upgrade", "").lower() != "websocket":
            raise Rejected(426, "this is a WebSocket")
        if self._is_leaving:
            raise Rejected(503, "the server stops", retry_after=1)
        normalise(request)
        has_origin = check_origin(request, self.settings.origins, self._node_urls)
        subprotocol = choose_subprotocol(request)
        extension = choose_extension(request) if self.settings.compression else None
        admission.check(address)
        upgrade = Upgrade(path, dict(request.headers), find_token(request, has_origin=has_origin), address)
        codec = SUBPROTOCOLS[subprotocol] if subprotocol else "json"
        deflate = extension is not None

        def begin(transport: PicowsTransport, listener: MessageListener) -> Talk:
            def converse(ended: Callable[[], None]) -> Talk:
                return Conversation(self.hub, self._gate, upgrade, transport, codec=codec, deflate=deflate, ended=ended)

            return admission.enter(address, transport, converse, listener.become)

        listener = MessageListener(self.settings.max_message, deflate, begin)
        return WSUpgradeResponseWithListener(_switch(subprotocol, extension), listener)


def url_of(host: str, port: int) -> str:
    """`http://HOST:PORT`, for a server that listens there."""
    shown = "127.0.0.1" if host in ("", "0.0.0.0") else f"[{host}]" if ":" in host else host  # noqa: S104
    return f"http://{shown}:{port}"


def _port_of(server: asyncio.Server) -> int:
    return int(server.sockets[0].getsockname()[1])


def _switch(subprotocol: str | None, extension: str | None) -> WSUpgradeResponse:
    headers = {}
    if subprotocol is not None:
        headers["Sec-WebSocket-Protocol"] = subprotocol
    if extension is not None:
        headers["Sec-WebSocket-Extensions"] = extension
    response: WSUpgradeResponse = WSUpgradeResponse.create_101_response(headers)
    return response

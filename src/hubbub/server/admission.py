"""Who may connect: so many places, a short queue for them, and how many of them one address may have."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from math import ceil

from hubbub.config import Settings
from hubbub.errors import ConfigurationError
from hubbub.ports import Transport
from hubbub.server.addresses import holder_of
from hubbub.server.descriptors import RESERVE, descriptor_limit
from hubbub.server.listener import Talk
from hubbub.server.upgrade import Rejected

_MAX_SAID = 16
"""Messages that a peer may send before it has a place; then it is not read any more."""

Begin = Callable[[Callable[[], None]], Talk]
"""Makes who talks to the peer, and is given what to call when it is gone."""


class Admission:
    """The places of one node. Whoever finds none waits, in order, for one that is left, and not for long.

    A place is taken by an upgraded connection, whatever becomes of it, until its socket is gone.
    """

    def __init__(self, settings: Settings, *, descriptors: Callable[[], int] = descriptor_limit) -> None:
        """Raises `ConfigurationError` where the system does not allow as many as are asked for."""
        self._max_waiting = settings.max_waiting
        self._timeout = settings.waiting_timeout
        self._per_address = settings.max_connections_per_address
        self.limit = _places(settings, descriptors())
        self.taken = 0
        self.refused = 0
        """Peers that got no place, since the start."""
        self._waiting: OrderedDict[WaitingPeer, None] = OrderedDict()
        self._held: dict[str, int] = {}
        """Connections by address, those that wait included."""
        self._is_closed = False
        self.on_empty: Callable[[], None] | None = None
        """Called after `close`, when the last one that waited is gone."""

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def check(self, address: str) -> None:
        """Before an upgrade. Raises `Rejected`: 503 when the queue is full, too, 429 when the address has enough."""
        if self._per_address is not None and self._held.get(holder_of(address), 0) >= self._per_address:
            self.refused += 1
            raise Rejected(429, "too many connections from your address", retry_after=ceil(self._timeout))
        if self.taken >= self.limit and len(self._waiting) >= self._max_waiting:
            self.refused += 1
            raise Rejected(503, "all places are taken", retry_after=ceil(self._timeout))

    def enter(self, address: str, transport: Transport, begin: Begin, become: Callable[[Talk], None]) -> Talk:
        """After an upgrade that `check` let pass: who takes what the peer says.

        Where it has to wait, `become` is called with who `begin` made once it has its place.
        """
        holder = holder_of(address)
        self._held[holder] = self._held.get(holder, 0) + 1
        if self.taken < self.limit:
            return self._begin(holder, begin)

        def admit() -> None:
            talk = self._begin(holder, begin)
            become(talk)
            for data, size in peer.said:
                talk.received(data, size)

        peer = WaitingPeer(transport, admit, lambda: self._leave_queue(peer, holder))
        self._waiting[peer] = None
        peer.timer = asyncio.get_running_loop().call_later(self._timeout, self._give_up, peer)
        return peer

    def close(self) -> None:
        """The server stops: nobody gets a place any more, and who waits is told. `on_empty` says when they are gone."""
        self._is_closed = True
        for peer in list(self._waiting):
            peer.close(1001, "the server stops")

    def abort(self) -> None:
        """Cuts off who still waits."""
        for peer in list(self._waiting):
            peer.transport.abort()

    def _begin(self, holder: str, begin: Begin) -> Talk:
        self.taken += 1
        return begin(lambda: self._leave(holder))

    def _leave(self, holder: str) -> None:
        self.taken -= 1
        self._let_go(holder)
        while self._waiting and self.taken < self.limit and not self._is_closed:
            peer, _ = self._waiting.popitem(last=False)
            peer.admit()

    def _leave_queue(self, peer: WaitingPeer, holder: str) -> None:
        self._waiting.pop(peer, None)
        self._let_go(holder)
        if self._is_closed and not self._waiting and self.on_empty is not None:
            self.on_empty()

    def _let_go(self, holder: str) -> None:
        left = self._held[holder] - 1
        if left:
            self._held[holder] = left
        else:
            del self._held[holder]

    def _give_up(self, peer: WaitingPeer) -> None:
        self.refused += 1
        # Its socket is gone soon: until then it keeps nobody else from waiting.
        self._waiting.pop(peer, None)
        peer.close(1013, "all places are taken, try again later")


class WaitingPeer:
    """Implements `hubbub.server.listener.Talk` for who has no place yet. What it says is kept, and heard then."""

    __slots__ = ("_admit", "_closed", "_is_paused", "said", "timer", "transport")

    def __init__(self, transport: Transport, admit: Callable[[], None], closed: Callable[[], None]) -> None:
        self.transport = transport
        self._admit = admit
        self._closed = closed
        self.said: list[tuple[str | bytes, int]] = []
        """Messages and their sizes on the wire."""
        self._is_paused = False
        self.timer: asyncio.TimerHandle | None = None

    def admit(self) -> None:
        """It has a place: what it said is heard, and it is listened to again."""
        self._stop_timer()
        self._admit()
        if self._is_paused:
            self.transport.resume_reading()

    def close(self, code: int, reason: str) -> None:
        self._stop_timer()
        # The answer to the close frame is to be read.
        if self._is_paused:
            self._is_paused = False
            self.transport.resume_reading()
        self.transport.close(code, reason)

    def received(self, data: str | bytes, size: int) -> None:
        self.said.append((data, size))
        if len(self.said) >= _MAX_SAID and not self._is_paused:
            self._is_paused = True
            self.transport.pause_reading()

    def closed(self) -> None:
        self._stop_timer()
        self._closed()

    def ponged(self) -> None: ...

    def pause_writing(self) -> None: ...

    def resume_writing(self) -> None: ...

    def _stop_timer(self) -> None:
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None


def _places(settings: Settings, descriptors: int) -> int:
    """How many connections the node takes. Raises `ConfigurationError`."""
    possible = descriptors - RESERVE - settings.max_waiting
    wanted = settings.max_connections
    if wanted is None:
        # A process with hardly any descriptors still serves someone.
        return max(1, possible)
    if wanted > possible:
        raise ConfigurationError(
            "max_connections",
            f"{wanted} connections, {settings.max_waiting} that wait and {RESERVE} files need more than the "
            f"{descriptors} descriptors allowed: raise the limit (ulimit -n, LimitNOFILE=), or ask for {possible}",
        )
    return wanted

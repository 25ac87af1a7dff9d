"""`GET /connect`: where a client had best connect."""

from __future__ import annotations

import re
from collections.abc import Callable

import msgspec
from picows import WSUpgradeRequest

from hubbub.ports import NodeRecord

_HOST = re.compile(r"[A-Za-z0-9._-]+(:\d{1,5})?|\[[0-9A-Fa-f:.]+\](:\d{1,5})?")

Choose = Callable[[], NodeRecord | None]
"""The node with the fewest connections for what it can take; None when there is only this one, or none has a URL."""


class Guide:
    """Names the least loaded node; this one, as the client itself called it, where no other is known."""

    def __init__(self, name: str, url: Callable[[], str]) -> None:
        """`url` is this server's own, for a request that does not say what it is called."""
        self._name = name
        self._url = url
        self.choose: Choose = lambda: None

    def answer(self, request: WSUpgradeRequest, *, is_secure: bool) -> bytes:
        """JSON: {"node", "url"}. `is_secure`: the client came over TLS."""
        chosen = self.choose()
        if chosen is not None and chosen.url:
            return msgspec.json.encode({"node": chosen.name, "url": chosen.url})
        host = request.headers.get("Host", "")
        if not _HOST.fullmatch(host):
            host = self._url().partition("://")[2]
        return msgspec.json.encode({"node": self._name, "url": f"{'wss' if is_secure else 'ws'}://{host}/ws"})

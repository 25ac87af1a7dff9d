"""The WebSocket handshake: who may open one, with which subprotocol and extensions (RFC 6455 section 4)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from urllib.parse import urlsplit

from picows import WSUpgradeRequest

from hubbub.protocol.deflate import RESPONSE, accept_offer
from hubbub.protocol.wire import SUBPROTOCOLS

COOKIE = "hubbub_token"


class Rejected(Exception):
    """The upgrade is refused with this HTTP status; `retry_after` is in seconds."""

    def __init__(self, status: int, reason: str, *, retry_after: int | None = None) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.retry_after = retry_after


def normalise(request: WSUpgradeRequest) -> None:
    """Makes the `Connection` header what picows expects: it compares the whole, and Firefox sends a list."""
    tokens = [token.strip().lower() for token in request.headers.get("Connection", "").split(",")]
    if "upgrade" in tokens:
        request.headers["Connection"] = "upgrade"


def choose_subprotocol(request: WSUpgradeRequest) -> str | None:
    """The first subprotocol offered that this server speaks, None when none was offered.

    Raises `Rejected` (400) when only unknown ones were.
    """
    offers = [
        offer.strip()
        for header in request.headers.getall("Sec-WebSocket-Protocol", [])
        for offer in header.split(",")
        if offer.strip()
    ]
    for offer in offers:
        if offer in SUBPROTOCOLS:
            return offer
    if offers:
        raise Rejected(400, f"subprotocols here: {', '.join(SUBPROTOCOLS)}")
    return None


def choose_extension(request: WSUpgradeRequest) -> str | None:
    """The answer to the offers of permessage-deflate, None to decline."""
    header = ",".join(request.headers.getall("Sec-WebSocket-Extensions", []))
    return RESPONSE if header and accept_offer(header) else None


def check_origin(
    request: WSUpgradeRequest, allowed: tuple[str, ...], nodes: Callable[[], Iterable[str]] = tuple
) -> bool:
    """Whether the page, if it is one, may connect: same origin, one of those allowed, or a node's of the cluster.

    `nodes` gives the URLs at which clients reach these: a page that one of them served is sent to others.
    Raises `Rejected` (403). Returns whether there was an Origin: then cookies can be trusted.
    """
    origin = request.headers.get("Origin")
    if origin is None:
        return False
    if "*" in allowed or origin in allowed:
        return True
    if origin != "null" and urlsplit(origin).netloc.lower() == request.headers.get("Host", "").lower():
        return True
    if origin in map(origin_of, nodes()):
        return True
    raise Rejected(403, f"pages of {origin[:200]} may not connect: add the origin to the setting `origins`")


def origin_of(url: str) -> str:
    """The origin of pages that whoever is at a ws:// or wss:// URL serves (RFC 6454 section 6.2); empty for no URL."""
    parts = urlsplit(url.lower())
    if not parts.hostname:
        return ""
    scheme, default = ("https", ":443") if parts.scheme == "wss" else ("http", ":80")
    return f"{scheme}://{parts.netloc.removesuffix(default)}"


def find_token(request: WSUpgradeRequest, *, has_origin: bool) -> str | None:
    """The bearer token, from the header or, for a page whose origin is allowed, from the cookie."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip()
    if not has_origin:
        return None
    for header in request.headers.getall("Cookie", []):
        for pair in header.split(";"):
            name, _, value = pair.strip().partition("=")
            if name == COOKIE and value:
                return value
    return None

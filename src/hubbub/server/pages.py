"""HTTP on the WebSocket's port: what changes, as health, the contracts, and the pages. GET only."""

from __future__ import annotations

import mimetypes
from collections.abc import Callable, Mapping
from http import HTTPStatus
from pathlib import Path

import msgspec
from picows import WSUpgradeRequest, WSUpgradeResponse

from hubbub.protocol.asyncapi import asyncapi
from hubbub.protocol.catalog import Catalog
from hubbub.protocol.schema import json_schema, proto_text

PAGES = Path(__file__).parent / "pages"

_SECURITY = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' http: https: data:; connect-src 'self' ws: wss:; "
        "style-src 'self' 'unsafe-inline'; frame-ancestors 'none'"
    ),
}

_NO_PAGES = (
    "<!doctype html><title>Hubbub</title><p>Hubbub is running. Its pages are not built: "
    "run <code>make pages</code> in a checkout, or install the released package."
)


Made = Callable[[WSUpgradeRequest], tuple[str, bytes]]
"""Answers a request anew each time, with a content type and a body."""


class Pages:
    """Everything that is served without an upgrade. What never changes is held in memory: it is small."""

    def __init__(self, catalog: Catalog, made: Mapping[str, Made]) -> None:
        """`made` by path."""
        schema = json_schema(catalog)
        self._made = made
        self._files: dict[str, tuple[str, bytes]] = {
            "/schema.json": (
                "application/schema+json",
                msgspec.json.format(msgspec.json.encode(schema), indent=2),
            ),
            "/asyncapi.json": (
                "application/vnd.aai.asyncapi+json",
                msgspec.json.format(msgspec.json.encode(asyncapi(catalog, schema)), indent=2),
            ),
            "/hubbub.proto": ("text/plain; charset=utf-8", proto_text().encode()),
        }
        self._add_pages()

    def respond(self, request: WSUpgradeRequest, path: str) -> WSUpgradeResponse:
        """The answer to a plain GET."""
        make = self._made.get(path)
        if make is not None:
            return _ok(*make(request), "no-store")
        file = self._files.get(path)
        if file is None:
            return _not_found()
        # Built assets carry a hash in their name; everything else may change with the next version.
        age = "public, max-age=31536000, immutable" if path.startswith("/assets/") else "no-cache"
        return _ok(*file, age)

    def _add_pages(self) -> None:
        if not PAGES.is_dir():
            self._files["/"] = ("text/html; charset=utf-8", _NO_PAGES.encode())
            return
        for file in sorted(PAGES.rglob("*")):
            if not file.is_file():
                continue
            kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
            if kind.startswith("text/") or kind.endswith("javascript"):
                kind += "; charset=utf-8"
            path = "/" + file.relative_to(PAGES).as_posix()
            self._files[path] = (kind, file.read_bytes())
            if path.endswith("/index.html"):
                self._files[path.removesuffix("index.html")] = self._files[path]


def _ok(kind: str, body: bytes, cache: str) -> WSUpgradeResponse:
    headers = {"Content-Type": kind, "Cache-Control": cache, **_SECURITY}
    response: WSUpgradeResponse = WSUpgradeResponse.create_ok_response(body, headers)
    return response


def _not_found() -> WSUpgradeResponse:
    response: WSUpgradeResponse = WSUpgradeResponse.create_error_response(
        HTTPStatus.NOT_FOUND, b"not found\n", _SECURITY
    )
    return response

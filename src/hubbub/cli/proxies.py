"""`hubbub nginx` and `hubbub haproxy`: configurations of proxies before several nodes, ready to run."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal, NamedTuple, TypedDict

import typer

from hubbub.errors import ConfigurationError

Sticky = Literal["none", "address"]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_HOST = re.compile(r"[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\]")
_PLACE = re.compile(rf"(?:{_HOST.pattern}):(?P<port>\d{{1,5}})")
_UNSAFE = re.compile(r"[\s;{}#'\"\\$]")


class Upstream(NamedTuple):
    """A node, and where the proxy reaches it: `host:port`."""

    name: str
    place: str


def parse_upstream(text: str) -> Upstream:
    """From NAME=host:port. Raises `ConfigurationError`."""
    name, _, place = text.partition("=")
    found = _PLACE.fullmatch(place)
    if not _NAME.fullmatch(name) or found is None or not 0 < int(found["port"]) < 65536:
        raise ConfigurationError("--node", f"{text!r}: write it as NAME=host:port, as a=10.0.0.1:8000")
    return Upstream(name, place)


def nginx_configuration(
    nodes: Sequence[Upstream], *, host: str, port: int, sticky: Sticky, certificate: str | None
) -> str:
    """A whole `nginx.conf`."""
    tls = ""
    if certificate is not None:
        tls = f"""
        ssl_certificate {certificate};
        ssl_certificate_key {certificate};
        ssl_protocols TLSv1.2 TLSv1.3;
"""
    # ip_hash would take three octets of an address: whole offices and carriers would be one client.
    balance = "least_conn;" if sticky == "none" else "hash $remote_addr consistent;"
    servers = "\n".join(f"        server {node.place} max_fails=3 fail_timeout=5s;" for node in nodes)
    routes = "\n".join(
        f"        location = /node/{node.name}/ws {{ proxy_pass http://{node.place}/ws; }}" for node in nodes
    )
    return f"""\
# Made by `hubbub nginx`. The nodes believe its X-Forwarded-For where this proxy is in their `trusted_proxies`.
worker_processes auto;
worker_rlimit_nofile 65536;

events {{
    worker_connections 32768;  # two for each client
}}

http {{
    access_log off;

    map $http_upgrade $connection_upgrade {{
        default upgrade;
        '' close;
    }}

    upstream hubbub {{
        zone hubbub 64k;
        {balance}
{servers}
    }}

    server {{
        listen {host + ":" if host else ""}{port}{" ssl" if certificate is not None else ""};
{tls}
        proxy_http_version 1.1;
        proxy_set_header Upgrade $http_upgrade;
        proxy_set_header Connection $connection_upgrade;
        proxy_set_header Host $http_host;
        # Not what the client says of itself.
        proxy_set_header X-Forwarded-For $remote_addr;
        proxy_set_header X-Forwarded-Proto $scheme;

        proxy_connect_timeout 2s;
        proxy_read_timeout 86400s;
        proxy_send_timeout 86400s;

        # A node that is away, full or stopping: the next one is asked. When all are, the client comes again.
        proxy_next_upstream error timeout http_502 http_503;
        error_page 502 504 = @unavailable;
        location @unavailable {{
            add_header Retry-After 5 always;
            return 503 "no node takes connections now\\n";
        }}

        location / {{ proxy_pass http://hubbub; }}
        location = /metrics {{ return 404; }}

        # Each node by itself: so a session moves from one to another.
{routes}
    }}
}}
"""


def haproxy_configuration(
    nodes: Sequence[Upstream], *, host: str, port: int, sticky: Sticky, certificate: str | None
) -> str:
    """A whole `haproxy.cfg`."""
    balance = "balance leastconn" if sticky == "none" else "balance source\n    hash-type consistent"
    tls = f" ssl crt {certificate} alpn http/1.1" if certificate is not None else ""
    servers = "\n".join(f"    server {node.name} {node.place}" for node in nodes)
    rules = "\n".join(f"    use_backend node_{node.name} if {{ path /node/{node.name}/ws }}" for node in nodes)
    backends = "\n".join(
        f"""
backend node_{node.name}
    http-request set-path /ws
    server {node.name} {node.place} track nodes/{node.name}"""
        for node in nodes
    )
    return f"""\
# Made by `hubbub haproxy`. The nodes believe its X-Forwarded-For where this proxy is in their `trusted_proxies`.
defaults
    mode http
    timeout connect 2s
    timeout http-request 10s
    timeout client 60s
    timeout server 60s
    timeout client-fin 10s
    # For an open WebSocket.
    timeout tunnel 24h
    # A node that is away, full or stopping: the next one is asked.
    retries 3
    option redispatch 1
    retry-on conn-failure empty-response 503

frontend hubbub
    bind {host or "*"}:{port}{tls}
    # Not what the client says of itself.
    http-request del-header X-Forwarded-For
    option forwardfor
    http-request set-header X-Forwarded-Proto {"https" if certificate is not None else "http"}
    http-request deny deny_status 404 if {{ path /metrics }}
    # Each node by itself: so a session moves from one to another.
{rules}
    default_backend nodes

backend nodes
    {balance}
    option httpchk
    http-check send meth GET uri /health ver HTTP/1.1 hdr Host hubbub
    # Not while it drains or stops: nobody new is sent there, and who is there stays.
    http-check expect rstring '"status":"(ok|degraded)"'
    default-server check inter 2s fall 2 rise 1
{servers}
{backends}
"""


NodeOptions = Annotated[list[str], typer.Option("--node", help="A node: NAME=host:port. Once for each.")]
HostOption = Annotated[str, typer.Option(help="The address to listen on.  [all]")]
PortOption = Annotated[int | None, typer.Option(help="The port to listen on.  [80, with a certificate 443]")]
StickyOption = Annotated[
    str, typer.Option(help="none: the node with the fewest connections; address: each address has its node.")
]
CertificateOption = Annotated[
    Path | None, typer.Option(help="A PEM file with the certificate, its chain and the key: for TLS.")
]


def nginx(
    node: NodeOptions,
    host: HostOption = "",
    port: PortOption = None,
    sticky: StickyOption = "none",
    certificate: CertificateOption = None,
) -> None:
    """Print an nginx configuration for these nodes."""
    print(nginx_configuration(**_checked(node, host, port, sticky, certificate)), end="")


def haproxy(
    node: NodeOptions,
    host: HostOption = "",
    port: PortOption = None,
    sticky: StickyOption = "none",
    certificate: CertificateOption = None,
) -> None:
    """Print a HAProxy configuration for these nodes."""
    print(haproxy_configuration(**_checked(node, host, port, sticky, certificate)), end="")


class _Options(TypedDict):
    nodes: Sequence[Upstream]
    host: str
    port: int
    sticky: Sticky
    certificate: str | None


def _checked(node: list[str], host: str, port: int | None, sticky: str, certificate: Path | None) -> _Options:
    nodes = [parse_upstream(text) for text in node]
    if len({one.name for one in nodes}) != len(nodes):
        raise ConfigurationError("--node", "a name stands twice")
    if host and not _HOST.fullmatch(host):
        raise ConfigurationError("--host", f"{host!r}: write an address, as 127.0.0.1 or [::1]")
    if port is None:
        port = 80 if certificate is None else 443
    if not 0 < port < 65536:
        raise ConfigurationError("--port", "must be 1 to 65535")
    if sticky not in ("none", "address"):
        raise ConfigurationError("--sticky", "say none or address")
    if certificate is not None and _UNSAFE.search(str(certificate)):
        raise ConfigurationError("--certificate", f"{str(certificate)!r}: choose a path without spaces and quotes")
    return _Options(
        nodes=nodes,
        host=host,
        port=port,
        sticky="address" if sticky == "address" else "none",
        certificate=None if certificate is None else str(certificate.absolute()),
    )

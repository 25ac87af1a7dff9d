"""Ports for servers of tests that nothing else can come to have."""

import random
import socket
from pathlib import Path

_EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")
_LOWEST = 12000
"""Above those that a browser refuses to speak to (Fetch standard, "bad port")."""

_given: set[int] = set()


def free_port() -> int:
    """A port that nobody has at this moment, and no outgoing connection will be given later.

    The kernel takes the near end of a connection from its ephemeral range. A port of a server that is not up yet,
    or is down for a while, must not be there: whoever asks again and again whether it is up is one day connected
    to itself, and the server finds its port in use.
    """
    while True:
        port = _bind(_guess())
        if port and port not in _given:
            _given.add(port)
            return port


def _guess() -> int:
    """0 where the ephemeral range leaves no room below it."""
    try:
        end = int(_EPHEMERAL.read_text().split()[0])
    except OSError:
        end = 32768
    return random.randrange(_LOWEST, end) if end > _LOWEST + 1000 else 0


def _bind(port: int) -> int:
    """The port, when it is free; 0 stands for any, and comes back for one that is taken."""
    with socket.socket() as one:
        try:
            one.bind(("127.0.0.1", port))
        except OSError:
            return 0
        bound: int = one.getsockname()[1]
        return bound

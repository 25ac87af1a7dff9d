"""How many sockets this process may have open."""

from __future__ import annotations

import sys

RESERVE = 128
"""Descriptors that are not for connections: stores, HTTP requests, handshakes under way."""

_UNBOUNDED = 1_000_000
"""Connections where the system has no limit of its own."""

if sys.platform == "win32":

    def descriptor_limit() -> int:
        """Windows counts handles, of which there are more than memory for connections."""
        return _UNBOUNDED

    def raise_descriptor_limit() -> None:
        """There is none to raise."""

else:
    import resource

    def descriptor_limit() -> int:
        """How many descriptors this process may have open."""
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        return _UNBOUNDED if soft == resource.RLIM_INFINITY else soft

    def raise_descriptor_limit() -> None:
        """As far as the system lets a process raise it by itself: from the soft limit to the hard one."""
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if hard not in {soft, resource.RLIM_INFINITY}:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

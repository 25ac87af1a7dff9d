"""Whose address a connection counts for: the peer's, or the one that a trusted proxy tells."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

FORWARDED = "X-Forwarded-For"

_MAX_HOPS = 16


class TrustedProxies:
    """Whose `X-Forwarded-For` is believed. Anyone else could write anything there."""

    def __init__(self, networks: Sequence[str]) -> None:
        """Addresses or networks, as `10.0.0.0/8`."""
        self._networks: list[IPv4Network | IPv6Network] = [ip_network(text, strict=False) for text in networks]

    def __contains__(self, address: str) -> bool:
        try:
            parsed = ip_address(address)
        except ValueError:
            return False
        if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
            parsed = parsed.ipv4_mapped
        return any(parsed in network for network in self._networks if network.version == parsed.version)

    def client(self, peer: str, forwarded: Sequence[str]) -> str:
        """The client's address: the last one in the headers that is no trusted proxy's."""
        if not self._networks or peer not in self:
            return peer
        address = peer
        hops = [hop.strip() for header in forwarded for hop in header.split(",")]
        for hop in reversed(hops[-_MAX_HOPS:]):
            try:
                address = str(ip_address(hop))
            except ValueError:
                # What stands before it was not written by a proxy of ours.
                break
            if address not in self:
                break
        return address


def holder_of(address: str) -> str:
    """What an address counts as: of IPv6 its network of 64 bits, which one subscriber has whole."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(IPv6Network((int(parsed) >> 64 << 64, 64)))
    return address

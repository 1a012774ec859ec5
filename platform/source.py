"""Source: what counts as one network address where callers are told apart or limited."""

from __future__ import annotations

import ipaddress
from typing import Final

PREFIX: Final = 64  # bits of an IPv6 address; whoever has one has all the others below them


def network(address: str) -> str:
    """The address itself; of IPv6 its /64; of IPv4 written as IPv6 the IPv4. Other text as it is"""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.ip_network((found, PREFIX), strict=False))

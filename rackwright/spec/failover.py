"""Several gateways that clients see as one, as declared: by addresses they share, or by DNS."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Annotated

from pydantic import BeforeValidator, Field

from rackwright.schema.fields import Entry

_RULE = "must be an IP address of one host, or a list of one of IPv4 and one of IPv6"


def _one_of_each_family(value: object) -> tuple[str, ...]:
    """One address or a list, each as it is written shortest."""
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list | tuple) or not texts:
        raise ValueError(_RULE)
    found = [_of_one_host(text) for text in texts]
    if len({address.version for address in found}) < len(found):
        raise ValueError(_RULE)
    return tuple(map(str, found))


def _of_one_host(text: object) -> IPv4Address | IPv6Address:
    try:
        address = ip_address(text if isinstance(text, str) else "")
    except ValueError:
        raise ValueError(_RULE) from None
    if isinstance(address, IPv6Address) and (address.scope_id or address.ipv4_mapped):
        raise ValueError(_RULE)
    if address.is_unspecified or address.is_multicast or address.is_loopback:
        raise ValueError(_RULE)
    if address.is_link_local or str(address) == "255.255.255.255":
        raise ValueError("must be an address that clients of other networks reach")
    return address


Addresses = Annotated[tuple[str, ...], BeforeValidator(_one_of_each_family)]
"""At most one of each family."""


class FailoverSpec(Entry):
    """``gateways`` that clients see as one, each with its own addresses, the preferred one first.

    ``addresses`` are held by one of them at a time (VRRP), as router ``router_id`` (1 to 255) of
    their network. Without them each gateway is named by DNS, and nothing is shared.
    """

    gateways: dict[str, Addresses]
    addresses: Addresses = ()
    router_id: int = Field(51, strict=True, ge=1, le=255)

    @property
    def shares(self) -> bool:
        """Whether one of the gateways holds addresses for all."""
        return bool(self.addresses)

    def speaks_from(self, gateway: str) -> str:
        """The address that a gateway tells the others from: of IPv4 where it has one."""
        return min(self.gateways[gateway], key=lambda address: ip_address(address).version)

    def peers(self, gateway: str) -> tuple[str, ...]:
        """Where a gateway hears the others from; what a firewall has to let in (protocol 112)."""
        return tuple(self.speaks_from(name) for name in self.gateways if name != gateway)

    @property
    def records(self) -> tuple[str, ...]:
        """What the gateways' name has to lead to: A records, and AAAA ones."""
        own = (address for addresses in self.gateways.values() for address in addresses)
        return self.addresses or tuple(own)

"""What a firewall is told: who may come in, and at which ports."""

from __future__ import annotations

import re
from ipaddress import ip_network
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, TypeAdapter, ValidationError

from rackwright.schema.fields import Address, listed
from rackwright.schema.ports import LAST_PORT

_SOURCE = "must be an IP address, a network such as 10.1.0.0/24, or a host name"
_NAME: TypeAdapter[str] = TypeAdapter(Address)


def _source(value: str) -> str:
    """As it is compared: an address of one host without its length."""
    if "%" in value:
        raise ValueError(_SOURCE)
    try:
        network = ip_network(value)
    except ValueError as error:
        if "has host bits set" in str(error):
            raise ValueError(f"must be a network by its first address: {error}") from None
        return _name(value)
    if network.prefixlen == 0:
        raise ValueError("must not be all addresses")
    return str(network.network_address if network.num_addresses == 1 else network)


def _name(value: str) -> str:
    try:
        return _NAME.validate_python(value)
    except ValidationError:
        raise ValueError(_SOURCE) from None


def _port(value: str) -> str:
    """With its protocol: ``9100/tcp``."""
    found = re.fullmatch(r"([0-9]{1,5})(/(tcp|udp))?", value)
    if not found or not 1 <= int(found[1]) <= LAST_PORT:
        raise ValueError("must be a port of 1 to 65535, such as 9100 or 9100/udp")
    return f"{int(found[1])}/{found[3] or 'tcp'}"


def _texts(values: object) -> object:
    """Ports are written as numbers, too."""
    if not isinstance(values, list | tuple):
        return values
    return [str(one) if type(one) is int else one for one in values]


Source = Annotated[str, AfterValidator(_source)]
Sources = Annotated[tuple[Source, ...], BeforeValidator(listed)]
"""Addresses, networks and host names; a comma list as text, too."""
OpenPort = Annotated[str, AfterValidator(_port)]
OpenPorts = Annotated[tuple[OpenPort, ...], BeforeValidator(listed), BeforeValidator(_texts)]
"""Ports, each with its protocol after it is read."""

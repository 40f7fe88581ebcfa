"""Hosts of an inventory that are one machine: by the same name twice, or by where SSH goes.

Two entries of one machine would each have its files, units and ports, and undo the other's.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address
from typing import Any

from pyinfra.api.host import Host
from pyinfra.api.inventory import Inventory
from pyinfra.connectors.local import LocalConnector
from pyinfra.connectors.ssh import SSHConnector

from rackwright.errors import Fault
from rackwright.schema.ssh_data import SshData
from rackwright.schema.validation import parse

SSH_PORT = 22
_THIS_MACHINE = ("this machine", str(SSH_PORT))


def one_machine_twice(inventory: Inventory) -> Iterator[Fault]:
    """A fault for each host that leads to a machine another leads to already."""
    first: dict[tuple[Any, ...], Host] = {}
    for host in inventory:
        machine = _machine(host)
        if machine is None:
            continue
        other = first.setdefault(machine, host)
        if other is not host:
            data = host.data.dict()
            key = ".ssh_hostname" if "ssh_hostname" in data else ""
            rule = f"is the machine of hosts[{other.name}] already, one machine must be one host"
            yield Fault(f"hosts[{host.name}]{key}", rule, data.get("ssh_hostname"))


def unreachable(inventory: Inventory) -> list[Fault]:
    """What is wrong with where SSH is to go, by the data of each host."""
    faults: list[Fault] = []
    for host in inventory:
        if issubclass(host.connector_cls, SSHConnector):
            parse(SshData, host.data.dict(), f"hosts[{host.name}]", faults)
    return faults


def _machine(host: Host) -> tuple[Any, ...] | None:
    """Where commands for a host go: address, port, and what the way there depends on."""
    if issubclass(host.connector_cls, LocalConnector):
        return _THIS_MACHINE
    if not issubclass(host.connector_cls, SSHConnector):
        return None
    data = host.data.dict()
    address = _address(str(data.get("ssh_hostname") or host.name))
    # The same address on two ports is two machines behind one router, or two that are forwarded.
    way = sorted((key, repr(data[key])) for key in data if _is_of_the_way(str(key)))
    return (address, str(data.get("ssh_port") or SSH_PORT), *way)


def _is_of_the_way(key: str) -> bool:
    """One address is two machines in two networks that are entered by other hosts."""
    named = key in ("ssh_config_file", "ssh_paramiko_connect_kwargs")
    return named or (key.startswith("ssh_") and ("jump" in key or "proxy" in key))


def _address(name: str) -> str:
    name = name.strip().lower().rstrip(".")
    try:
        address = ip_address(name)
    except ValueError:
        return _THIS_MACHINE[0] if name == "localhost" else name
    address = getattr(address, "ipv4_mapped", None) or address
    return _THIS_MACHINE[0] if address.is_loopback else str(address)

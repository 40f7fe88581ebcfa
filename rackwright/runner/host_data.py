"""Each host's data as pyinfra merged it, and what of it pyinfra reads itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from pyinfra.api.arguments import all_global_arguments, pop_global_arguments
from pyinfra.api.connectors import get_all_connectors
from pyinfra.api.host import Host
from pyinfra.api.inventory import Inventory

from rackwright.errors import Fault

_UNDECLARED = frozenset({"chroot_directory", "docker_image", "docker_container_id"})
"""What its connectors ask of host data without saying so in their ``data_meta``."""

JUMPS = "ssh_proxyjump"


def host_data(inventory: Inventory) -> dict[str, dict[str, Any]]:
    """Each host's merged data, and the project's defaults of settings where that has none."""
    from rackwright.inventory.settings import with_defaults  # a connection needs none of that

    return {host.name: with_defaults(host.data.dict()) for host in inventory}


def command_arguments(host: Host) -> Mapping[str, Any]:
    """How commands are run on the host (``_sudo`` and its kin) where no operation says so."""
    return pop_global_arguments(host.state, host, {})[0]


def jump_faults(inventory: Inventory) -> Iterator[Fault]:
    """Jump hosts of hosts whose connector would connect without them."""
    for host in inventory:
        read = getattr(host.connector_cls, "data_meta", {})
        if JUMPS in host.data.dict() and "ssh_hostname" in read and JUMPS not in read:
            rule = f"is read for hosts that are named @rackwright/{host.name}"
            yield Fault(f"hosts[{host.name}].{JUMPS}", rule, host.data.dict()[JUMPS])


@cache
def pyinfra_keys() -> frozenset[str]:
    """``_sudo`` and its kin (global arguments), and what each connector declares (``ssh_user``)."""
    arguments = (key for key, _ in all_global_arguments() if key.startswith("_"))
    connectors = get_all_connectors().values()
    declared = (key for kind in connectors for key in getattr(kind, "data_meta", ()))
    return frozenset(arguments) | frozenset(declared) | _UNDECLARED

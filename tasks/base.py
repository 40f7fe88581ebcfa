"""Packages, the engines' user and the folders that everything else goes into."""

from pyinfra import host
from pyinfra.api.deploy import deploy

from rackwright.desired.base import base_items
from rackwright.desired.engines import engines_of
from rackwright.runner.fleet import this_fleet
from rackwright.runner.gateway import require_gateway_system
from rackwright.runner.operations import converge


@deploy("Base system")
def base() -> None:
    """Make every host ready for what its role installs."""
    fleet = this_fleet()
    require_gateway_system(name="A system that can be a gateway", gateway=fleet.gateway)
    items = base_items(
        fleet.settings(host.name),
        server=fleet.server is not None,
        gateway=fleet.gateway is not None,
        shares_address=fleet.shares_address,
        engines=engines_of(fleet.replicas),
        firewall=fleet.firewall is not None,
        routers=bool(fleet.routers),
    )
    converge(name="Packages, user and folders", items=[*fleet.of_apt, *items])

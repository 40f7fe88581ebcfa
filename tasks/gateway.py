"""Nginx in front of every service of the plan."""

from pyinfra import host
from pyinfra.api.deploy import deploy

from rackwright.desired.gateway import NO_GATEWAY, gateway_items
from rackwright.runner.fleet import this_fleet
from rackwright.runner.operations import converge


@deploy("Gateway")
def gateway() -> None:
    """Certificate, configuration and service; reloaded only when one of them changed."""
    fleet = this_fleet()
    settings, upstreams = fleet.settings(host.name), fleet.plan.upstreams
    items = gateway_items(fleet.gateway, upstreams, settings) if fleet.gateway else NO_GATEWAY
    converge(name="Certificate, configuration and service", items=items)

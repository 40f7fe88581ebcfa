"""Nginx in front of every service of the plan."""

from pyinfra import host
from pyinfra.api.deploy import deploy

from rackwright.runner.fleet import this_fleet
from rackwright.runner.gateway import converge_gateway
from rackwright.runner.secrets import key_files


@deploy("Gateway")
def gateway() -> None:
    """Certificate, limits, configuration and service; reloaded only when one of them changed."""
    fleet = this_fleet()
    converge_gateway(
        name="Certificate, configuration and service",
        gateway=fleet.gateway,
        upstreams=fleet.plan.upstreams,
        settings=fleet.settings(host.name),
        keys=key_files(fleet.clients, fleet.spec, host.name),
    )

"""Nginx in front of every service of the plan."""

from pyinfra import host
from pyinfra.api.deploy import deploy

from rackwright.runner.certificate import issue_certificate
from rackwright.runner.fleet import this_fleet
from rackwright.runner.gateway import converge_gateway


@deploy("Gateway")
def gateway() -> None:
    """Certificate, limits, configuration and service; reloaded only when one of them changed."""
    fleet = this_fleet()
    converge_gateway(name="Certificate, configuration and service")
    issue_certificate(
        name="Certificate of a CA",
        gateway=fleet.gateway,
        services=fleet.spec.services.values(),
        settings=fleet.settings(host.name),
    )

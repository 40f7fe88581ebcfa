"""Nginx in front of every service of the plan."""

from pyinfra import host
from pyinfra.api.deploy import deploy

from rackwright.desired.engines import lock_items, release_request
from rackwright.desired.routers import kinds_of
from rackwright.runner.certificate import issue_certificate
from rackwright.runner.fleet import this_fleet
from rackwright.runner.gateway import converge_gateway
from rackwright.runner.operations import converge
from rackwright.runner.releases import router_releases


@deploy("Gateway")
def gateway() -> None:
    """Certificate, limits, configuration and service; reloaded only when one of them changed."""
    fleet = this_fleet()
    settings, used = fleet.settings(host.name), kinds_of(fleet.routers)
    converge(name="Requirements files of routers", items=lock_items(used, settings))
    router_releases(name="Releases of routers", request=release_request(used, settings))
    converge_gateway(name="Certificate, configuration and service")
    issue_certificate(
        name="Certificate of a CA",
        gateway=fleet.gateway,
        services=fleet.spec.services.values(),
        settings=settings,
    )

"""Nginx in front of every service of the plan."""

from pyinfra.api.deploy import deploy

from rackwright.runner.gateway import converge_gateway


@deploy("Gateway")
def gateway() -> None:
    """Certificate, limits, configuration and service; reloaded only when one of them changed."""
    converge_gateway(name="Certificate, configuration and service")

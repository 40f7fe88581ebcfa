"""Who may reach what on a host: before anything listens there."""

from pyinfra import host
from pyinfra.api.deploy import deploy

from rackwright.runner.firewall import converge_firewall
from rackwright.runner.fleet import this_fleet


@deploy("Firewall")
def firewall() -> None:
    """Loaded on trial, kept once a new connection came through, and loaded at each boot."""
    fleet = this_fleet()
    converge_firewall(
        name="Rules for who may come in",
        firewall=fleet.firewall,
        settings=fleet.settings(host.name),
        targets=[server.address for server in fleet.spec.servers.values()],
    )

"""The planned replicas as systemd units, each on its own GPUs."""

from pyinfra import host
from pyinfra.api.deploy import deploy

from rackwright.runner.fleet import this_fleet
from rackwright.runner.replicas import converge_replicas
from rackwright.runner.secrets import secret


@deploy("Replicas")
def replicas() -> None:
    """Write, start and wait for the replicas planned on this server."""
    fleet = this_fleet()
    settings = fleet.settings(host.name)
    key = secret("key", settings.engine_api_key_env)
    converge_replicas(
        name="Units and environment files",
        replicas=fleet.replicas,
        settings=settings,
        api_key=key.get("key", ""),
        gateways=fleet.spec.gateways.keys(),
    )

"""The planned replicas as systemd units, each on its own GPUs."""

from pyinfra.api.deploy import deploy

from rackwright.runner.replicas import converge_replicas, step_through_replicas


@deploy("Replicas")
def replicas() -> None:
    """Write, start and wait for what is new; then change what serves, one after another."""
    converge_replicas(name="Units and environment files")
    step_through_replicas(name="Replicas that serve, one after another")

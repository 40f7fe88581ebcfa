"""The pinned releases of the engines that a server's replicas run, each in a folder of its own."""

from pyinfra import host
from pyinfra.api.deploy import deploy

from rackwright.desired.engines import engines_of, lock_items
from rackwright.runner.fleet import this_fleet
from rackwright.runner.operations import converge
from rackwright.runner.releases import engine_releases


@deploy("Engines")
def engines() -> None:
    """Install what is missing beside what runs; units change over by their link, later."""
    fleet = this_fleet()
    settings, used = fleet.settings(host.name), engines_of(fleet.replicas)
    converge(name="Requirements files", items=lock_items(used, settings))
    engine_releases(name="Engine releases", fleet=fleet)

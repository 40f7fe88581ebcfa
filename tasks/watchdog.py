"""The watchdog of every GPU server: after its replicas, which it is told of."""

from pyinfra.api.deploy import deploy

from rackwright.runner.fleet import this_fleet
from rackwright.runner.watchdog import converge_watchdog


@deploy("Watchdog")
def watchdog() -> None:
    """Program, what the plan says, and unit; restarted only when one of them changed."""
    converge_watchdog(name="Program, data and unit", fleet=this_fleet())

"""A GPU server rebooted on somebody's word: its replicas drained first, and proven after."""

from __future__ import annotations

from pyinfra.connectors.local import LocalConnector

from rackwright.desired.paths import unit_name
from rackwright.errors import RefusedError, nearest
from rackwright.runner.asking import reach
from rackwright.runner.driver import rebooted
from rackwright.runner.interrupting import Interrupting


def reboot(interrupting: Interrupting, name: str, *, force: bool) -> None:
    """Reboot a server, out of traffic.

    Raises RefusedError for what is no server that can be reached from elsewhere, and where a
    service would have no replica in (not with ``force``); StepFailed where a replica could not be
    drained (nothing was interrupted then), or is not as it was.
    """
    plan = interrupting.fleet.plan
    if name not in plan.servers:
        raise RefusedError(f"server {name!r} {nearest(name, plan.servers)}")
    host = reach(interrupting.inventory, name)
    if isinstance(host.connector, LocalConnector):
        raise RefusedError(f"{name} is this machine: its reboot would end this run")
    names = interrupting.running(name)
    interrupting.permit(names, force=force)
    units = [unit_name(replica) for replica in plan.on(name)]

    def interrupt() -> None:
        interrupting.say(name, "reboots")
        rebooted(host, units)
        interrupting.say(name, "is back")

    interrupting.around(name, names, interrupt)

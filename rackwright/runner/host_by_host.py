"""pyinfra may take hosts one by one through all stages: not where one stage leans on other hosts.

A gateway's data are of replicas as they are planned, so all of them have to run as planned before
its stage; host by host, in an order of pyinfra's own, it may come before their servers.
"""

from __future__ import annotations

from collections.abc import Sequence

from rackwright.spec import FleetSpec

OPTIONS = ("--serial", "--no-wait")


def order_fault(command: Sequence[str], spec: FleetSpec) -> str:
    """Why a deploy by this command line is refused; empty where its order does not matter."""
    option = next((one for one in OPTIONS if one in command), "")
    stages = {stage for own in spec.settings.values() for stage in own.stage_names}
    several = len({*spec.servers, *spec.gateways}) > 1
    if not (option and several and spec.gateways and {"replicas", "gateway"} <= stages):
        return ""
    return (
        f"{option} takes hosts through all stages without the others: a gateway would send "
        "requests where a replica is planned and does not run yet. No host was touched. Leave "
        f"{option} out, or run --data stages=replicas first, and --data stages=gateway after it"
    )

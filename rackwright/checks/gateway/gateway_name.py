"""The names that clients use lead to the gateways: to the shared addresses, or to each of them."""

from __future__ import annotations

from collections.abc import Iterator

from rackwright.checks.check import Check, Example
from rackwright.checks.gateway.healthy import GATEWAY, NAME, SHARED
from rackwright.checks.observed import Observation
from rackwright.checks.planned import PlannedGateway
from rackwright.checks.results import Finding, Status


def judge(planned: PlannedGateway, seen: Observation) -> Finding:
    """WARN where a name leads elsewhere, as this gateway is told: clients may be told otherwise."""
    names = seen.get("names")
    if not isinstance(names, dict):
        return Finding(Status.UNKNOWN, "names were not looked up", "run this again")
    if wrong := list(_differences(planned, names)):
        wanted = "; ".join(f"{name}: {' '.join(its)}" for name, its in planned.records.items())
        return Finding(Status.WARN, "; ".join(wrong), f"in DNS, A and AAAA records of {wanted}")
    return Finding(Status.OK, f"{', '.join(planned.records)} as planned")


def _differences(planned: PlannedGateway, names: Observation) -> Iterator[str]:
    for name, wanted in planned.records.items():
        said = names[name]
        if "error" in said:
            yield f"{name} is not known on {planned.host} ({said['error']})"
        elif set(said["addresses"]) != set(wanted):
            yield f"{name} is {' and '.join(said['addresses'])} on {planned.host}"


CHECK = Check(
    name="gateway name",
    fine="as this gateway is told, it leads to the shared addresses, or to each gateway's own",
    judge=judge,
    healthy=GATEWAY,
    examples=(
        Example(
            "a name that leads to one gateway of two",
            Status.WARN,
            {"names": {NAME: {"addresses": ["192.0.2.10"]}}},
            {"addresses": (), "unit": "", "records": {NAME: ("192.0.2.10", "192.0.2.11")}},
        ),
        Example("a name that nobody knows", Status.WARN, {"names": {NAME: {"error": "not known"}}}),
        Example(
            "a name without the IPv6 address",
            Status.WARN,
            {"names": {NAME: {"addresses": list(SHARED[:1])}}},
        ),
    ),
)

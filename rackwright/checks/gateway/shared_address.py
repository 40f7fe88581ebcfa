"""Each shared address is on one gateway: on none nobody is reached, on two it is chance who is."""

from __future__ import annotations

from collections.abc import Mapping

from rackwright.checks.check import Check, Example
from rackwright.checks.gateway.healthy import GATEWAY, WHERE_SHARED
from rackwright.checks.observed import Observation
from rackwright.checks.planned import PlannedGateway
from rackwright.checks.results import Finding, Status


def judge(planned: PlannedGateway, seen: Observation) -> Finding:
    """CRITICAL with none or several; a gateway that was not asked may be the one."""
    held: Mapping[str, list[str] | None] = seen.get("held") or {}
    asked = {name: addresses for name, addresses in held.items() if addresses is not None}
    if planned.host not in asked:
        return Finding(Status.UNKNOWN, "addresses were not observed", "run this again")
    not_asked = [name for name in planned.gateways if name not in asked]
    words = []
    for address in planned.addresses:
        holders = [name for name, addresses in asked.items() if address in addresses]
        if len(holders) > 1:
            return _several(planned, address, holders)
        if not holders and not not_asked:
            evidence = f"{address} is on no gateway"
            return Finding(Status.CRITICAL, evidence, f"journalctl -u {planned.unit} on each")
        holder = holders[0] if holders else f"{' or '.join(not_asked)}, not asked"
        words.append(f"{address} on {holder}")
    return Finding(Status.OK, "; ".join(words))


def _several(planned: PlannedGateway, address: str, holders: list[str]) -> Finding:
    evidence = f"{address} is on {' and '.join(holders)} at once: they do not hear each other"
    remedy = "let VRRP (IP protocol 112) through between the gateways' own addresses"
    return Finding(Status.CRITICAL, evidence, remedy)


CHECK = Check(
    name="shared address",
    fine="each is on one gateway, or on one that was not asked",
    judge=judge,
    healthy=GATEWAY,
    applies=WHERE_SHARED,
    examples=(
        Example("a shared address on no gateway", Status.CRITICAL, {"held.gw1": []}),
        Example("a shared address on two gateways", Status.CRITICAL, {"held.gw2": ["192.0.2.100"]}),
        Example("a gateway whose addresses cannot be read", Status.UNKNOWN, {"held.gw1": None}),
    ),
)

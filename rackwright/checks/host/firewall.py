"""What lets people in is what was planned: our table of nftables, rule by rule and set by set."""

from __future__ import annotations

from typing import Any

from rackwright.checks.check import Check, Example, When
from rackwright.checks.host.healthy import HOST
from rackwright.checks.observed import Observation, part_of
from rackwright.checks.planned import PlannedHost
from rackwright.checks.results import Finding, Status
from rackwright.planning.firewall import ENGINES, Firewall
from rackwright.planning.loaded_firewall import differences

_REMEDY = "run the deploy again with stages=firewall; see `nft list table inet rackwright` there"


def judge(planned: PlannedHost, seen: Observation) -> Finding:
    """CRITICAL where others may come in, or gateways may not; WARN for what a boot loses."""
    firewall = planned.firewall
    assert firewall is not None
    told = part_of(seen, "firewall")
    if "table" not in told or "unread" in told:
        why = told.get("unread") or "was not observed"
        return Finding(Status.UNKNOWN, str(why), "see `nft list table inet rackwright` there")
    known = {name: part_of(told, "names", name).get("addresses") or [] for name in firewall.names}
    if lost := [name for name, addresses in known.items() if not addresses]:
        evidence = f"{', '.join(lost)}: a name that this host cannot look up"
        return Finding(Status.WARN, evidence, "mend the name, or declare the IP address")
    table = firewall.table(known, told["ssh_ports"])
    asked = ("gateways4", "gateways6") if firewall.asked else ()
    if found := list(differences(table, told["table"], (*asked, "ssh_ports"))):
        return Finding(Status.CRITICAL, "; ".join(found), _REMEDY)
    if told["on_trial"]:
        return Finding(Status.WARN, "its rules are on trial, and about to roll back", _REMEDY)
    if not (told["enabled"] and told["active"]):
        return Finding(Status.WARN, "the next boot does not load it (rackwright-firewall)", _REMEDY)
    return Finding(Status.OK, _fine(firewall))


def _fine(firewall: Firewall) -> str:
    ports = ", ".join(map(str, firewall.engine_ports)) or "none"
    return f"{firewall.mode}: engine ports {ports} for gateways, peers and monitors alone"


_NAME = "gw2.example.com"
_SEEN: dict[str, Any] = {
    "table": {
        "policy": "accept",
        "hooks": ["input"],
        "rules": [[rule.name, rule.verdict.partition(" ")[0]] for rule in ENGINES],
        "sets": {
            "engine_ports": ["8000"],
            "gateways4": ["192.0.2.10", "192.0.2.20"],
            "gateways6": [],
            "trusted4": [],
            "trusted6": [],
        },
    },
    "names": {},
    "ssh_ports": [22],
    "on_trial": False,
    "enabled": True,
    "active": True,
}

CHECK = Check(
    name="firewall",
    fine=(
        "the loaded table is the planned one: rules, policy, and who may reach which port; it is "
        "loaded at each boot"
    ),
    judge=judge,
    healthy=HOST.having(firewall=_SEEN),
    applies=When(
        "with a firewall of ours",
        lambda planned, seen: planned.firewall is not None,
    ),
    examples=(
        Example("a table that was flushed", Status.CRITICAL, {"firewall.table": None}),
        Example(
            "a rule put before ours",
            Status.CRITICAL,
            {"firewall.table.rules": [["", "accept"], *_SEEN["table"]["rules"]]},
        ),
        Example(
            "a rule that was deleted",
            Status.CRITICAL,
            {"firewall.table.rules": _SEEN["table"]["rules"][:-1]},
        ),
        Example(
            "a stranger who was let in",
            Status.CRITICAL,
            {"firewall.table.sets.gateways4": ["192.0.2.10", "192.0.2.20", "203.0.113.9"]},
        ),
        Example(
            "a gateway that is not let in",
            Status.CRITICAL,
            {"firewall.table.sets.gateways4": ["192.0.2.10"]},
        ),
        Example(
            "a name that is not known any more",
            Status.WARN,
            {"firewall.names": {_NAME: {"error": "Name or service not known"}}},
            {"firewall": Firewall("engines", (8000,), gateways=("192.0.2.10", _NAME))},
        ),
        Example("rules that nobody confirmed", Status.WARN, {"firewall.on_trial": True}),
        Example(
            "a unit that the next boot does not start", Status.WARN, {"firewall.enabled": False}
        ),
        Example(
            "an nft that cannot be asked",
            Status.UNKNOWN,
            {"firewall": {"table": None, "unread": "nft says: Operation not permitted"}},
        ),
    ),
)

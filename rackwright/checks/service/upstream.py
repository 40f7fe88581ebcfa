"""Nginx balances over the replicas of the plan, all of them and no others, and has loaded that."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address

from rackwright.checks.check import Check, Example
from rackwright.checks.observed import Observation, number_of
from rackwright.checks.planned import PlannedService
from rackwright.checks.results import Finding, Status
from rackwright.checks.service.healthy import FIRST, SECOND, SERVICE

SLACK_S = 2.0
"""The start of a process is told in ticks since boot, the time of a file by the clock."""
_DEPLOY = "run the deploy's gateway stage: `--data stages=gateway`"


def judge(planned: PlannedService, seen: Observation) -> Finding:
    """CRITICAL when half of the replicas or more get no requests; WARN for any other difference."""
    configuration = seen.get("configuration") or {}
    upstreams = configuration.get("upstreams")
    if upstreams is None:
        words = f"the configuration was not read ({str(configuration.get('words'))[:200]})"
        return Finding(Status.UNKNOWN, words, "see the nginx check")
    servers = upstreams.get(planned.upstream) or []
    used = {one["address"] for one in servers if "down" not in one["options"]}
    known = dict(_as_nginx_has_them(planned, seen))
    missing = [f"{name} ({where})" for name, where in known.items() if where not in used]
    if missing:
        evidence = (
            f"{len(missing)} of {len(planned.replicas)} replicas get no requests: "
            f"{', '.join(missing)}"
        )
        worst = Status.CRITICAL if 2 * len(missing) >= len(planned.replicas) else Status.WARN
        return Finding(worst, evidence, _DEPLOY)
    if unknown := [name for name in planned.replicas if name not in known]:
        evidence = f"the gateway cannot look up the address of {', '.join(unknown)} any more"
        return Finding(Status.WARN, evidence, f"mend the name on {planned.host} (DNS, /etc/hosts)")
    if others := sorted(used - set(known.values())):
        evidence = f"requests go to {', '.join(others)}, which the plan does not know"
        return Finding(Status.WARN, evidence, _DEPLOY)
    return _is_loaded(configuration, seen, len(planned.replicas))


def _is_loaded(configuration: Observation, seen: Observation, replicas: int) -> Finding:
    changed, loaded = number_of(configuration, "changed_unix_s"), number_of(seen, "loaded_unix_s")
    if changed is None or loaded is None:
        evidence = "whether the configuration is loaded could not be told"
        return Finding(Status.UNKNOWN, evidence, "see the nginx check")
    if changed > loaded + SLACK_S:
        evidence = "the configuration was changed after Nginx had loaded it"
        return Finding(Status.WARN, evidence, "systemctl reload nginx")
    return Finding(Status.OK, f"{replicas} replicas, as planned")


def _as_nginx_has_them(planned: PlannedService, seen: Observation) -> Iterator[tuple[str, str]]:
    """Replicas and where they are, by the IP addresses that the gateway knows of names now."""
    names = seen.get("names") or {}
    for replica, address in zip(planned.replicas, planned.addresses, strict=True):
        host, _, port = address.rpartition(":")
        said = {"addresses": [host]} if _is_ip(host) else names.get(host) or {}
        if said.get("addresses"):
            (ip, *_) = said["addresses"]
            yield replica, f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"


def _is_ip(host: str) -> bool:
    try:
        return bool(ip_address(host))
    except ValueError:
        return False


CHECK = Check(
    name="upstream",
    fine=(
        "Nginx balances over the planned replicas and no others, by a configuration that it has "
        "loaded"
    ),
    judge=judge,
    healthy=SERVICE,
    examples=(
        Example(
            "half of the upstream missing",
            Status.CRITICAL,
            {"configuration.upstreams.rackwright_chat": [FIRST]},
        ),
        Example(
            "half of the upstream marked `down`",
            Status.CRITICAL,
            {"configuration.upstreams.rackwright_chat.1.options": ["down"]},
        ),
        Example(
            "a server whose name leads elsewhere than Nginx was told",
            Status.CRITICAL,
            {"names.gpu2.addresses": ["192.0.2.77"]},
        ),
        Example(
            "a server whose name the gateway does not know any more",
            Status.WARN,
            {"names.gpu2": {"error": "Name or service not known"}},
        ),
        Example(
            "an upstream that the plan does not know",
            Status.WARN,
            {
                "configuration.upstreams.rackwright_chat": [
                    FIRST,
                    SECOND,
                    {**FIRST, "address": "192.0.2.99:8000"},
                ]
            },
        ),
        Example(
            "an Nginx configuration that is not loaded",
            Status.WARN,
            {"configuration.changed_unix_s": 1009.0},
        ),
    ),
)

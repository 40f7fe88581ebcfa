"""The gateway balances over the replicas of the plan and no others, by what it has loaded."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address

from rackwright.checks.check import Check, Example
from rackwright.checks.observed import Observation, number_of, part_of
from rackwright.checks.planned import PlannedService
from rackwright.checks.results import Finding, Status
from rackwright.checks.service.healthy import FIRST, SECOND, SERVICE

SLACK_S = 2.0
"""The start of a process is told in ticks since boot, the time of a file by the clock."""
_DEPLOY = "run the deploy's gateway stage: `--data stages=gateway`"


def judge(planned: PlannedService, seen: Observation) -> Finding:
    """CRITICAL when half of the replicas or more get no requests; WARN for any other difference."""
    data, live = part_of(seen, "data"), part_of(seen, "live")
    if "services" not in data:
        why = str(data.get("error", "was not observed"))
        return Finding(Status.UNKNOWN, why, _DEPLOY)
    if "services" not in live:
        why = str(live.get("error", "what the gateway has loaded was not observed"))
        return Finding(Status.UNKNOWN, why, "see the nginx check")
    return (
        _differs(planned, seen)
        or _is_older(data, live)
        or _out(planned, live)
        or _is_loaded(part_of(seen, "configuration"), seen, len(planned.replicas))
    )


def _differs(planned: PlannedService, seen: Observation) -> Finding | None:
    """What the gateway's data say otherwise than the plan."""
    told = part_of(seen, "data", "services", planned.name).get("replicas")
    used = dict(_told(told))
    known = dict(_as_the_gateway_has_them(planned, seen))
    missing = [f"{name} ({where})" for name, where in known.items() if where not in used]
    if missing:
        return _few(planned, missing, "get no requests", _DEPLOY)
    if unknown := [name for name in planned.replicas if name not in known]:
        evidence = f"the gateway cannot look up the address of {', '.join(unknown)} any more"
        return Finding(Status.WARN, evidence, f"mend the name on {planned.host} (DNS, /etc/hosts)")
    if others := sorted(used.keys() - set(known.values())):
        evidence = f"requests go to {', '.join(others)}, which the plan does not know"
        return Finding(Status.WARN, evidence, _DEPLOY)
    return None


def _few(planned: PlannedService, without: list[str], words: str, remedy: str) -> Finding:
    evidence = f"{len(without)} of {len(planned.replicas)} replicas {words}: {', '.join(without)}"
    worst = Status.CRITICAL if 2 * len(without) >= len(planned.replicas) else Status.WARN
    return Finding(worst, evidence, remedy)


def _is_older(data: Observation, live: Observation) -> Finding | None:
    if part_of(live, "loaded").get("fleet") == data.get("sha256"):
        return None
    return Finding(Status.WARN, "the gateway has not loaded the data that lie there", _DEPLOY)


def _out(planned: PlannedService, live: Observation) -> Finding | None:
    """Replicas that the gateway sends nothing to: who took them out, and why."""
    states = part_of(live, "services", planned.name, "replicas")
    out = {name: part_of(states, name) for name in planned.replicas}
    words = [
        f"{name} is {state.get('state', 'not known')} ({state.get('why') or 'nobody says why'})"
        for name, state in out.items()
        if state.get("state") != "in"
    ]
    if not words:
        return None
    remedy = "`rackwright gateway status`; what is ejected comes back once it completes a request"
    worst = Status.CRITICAL if len(words) == len(planned.replicas) else Status.WARN
    return Finding(worst, ", ".join(words), remedy)


def _is_loaded(configuration: Observation, seen: Observation, replicas: int) -> Finding:
    changed, loaded = number_of(configuration, "changed_unix_s"), number_of(seen, "loaded_unix_s")
    if changed is None or loaded is None:
        evidence = "whether the configuration is loaded could not be told"
        return Finding(Status.UNKNOWN, evidence, "see the nginx check")
    if changed > loaded + SLACK_S:
        evidence = "the configuration was changed after Nginx had loaded it"
        return Finding(Status.WARN, evidence, "systemctl reload nginx")
    return Finding(Status.OK, f"{replicas} replicas, as planned")


def _told(replicas: object) -> Iterator[tuple[str, str]]:
    """Where each replica of the data is, and its name; what is none is left out."""
    for one in replicas if isinstance(replicas, list) else ():
        replica = part_of({"replica": one}, "replica")
        if isinstance(replica.get("host"), str) and isinstance(replica.get("port"), int):
            yield f"{replica['host']}:{replica['port']}", str(replica.get("name"))


def _as_the_gateway_has_them(
    planned: PlannedService, seen: Observation
) -> Iterator[tuple[str, str]]:
    """Replicas and where they are, by the IP addresses that the gateway knows of names now."""
    names = part_of(seen, "names")
    for replica, address in zip(planned.replicas, planned.addresses, strict=True):
        host, _, port = address.rpartition(":")
        said = {"addresses": [host]} if _is_ip(host) else part_of(names, host)
        if said.get("addresses"):
            (ip, *_) = said["addresses"]
            yield replica, f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"


def _is_ip(host: str) -> bool:
    try:
        return bool(ip_address(host))
    except ValueError:
        return False


_REPLICAS = "data.services.chat.replicas"
_STATE = "live.services.chat.replicas"
CHECK = Check(
    name="upstream",
    fine=(
        "the gateway balances over the planned replicas and no others, by data and a configuration "
        "that it has loaded, and none is drained or ejected"
    ),
    judge=judge,
    healthy=SERVICE,
    examples=(
        Example("half of the replicas missing", Status.CRITICAL, {_REPLICAS: [FIRST]}),
        Example(
            "a server whose name leads elsewhere than the gateway was told",
            Status.CRITICAL,
            {"names.gpu2.addresses": ["192.0.2.77"]},
        ),
        Example(
            "a server whose name the gateway does not know any more",
            Status.WARN,
            {"names.gpu2": {"error": "Name or service not known"}},
        ),
        Example(
            "a replica that the plan does not know",
            Status.WARN,
            {_REPLICAS: [FIRST, SECOND, {**FIRST, "host": "192.0.2.99"}]},
        ),
        Example("data that are not loaded", Status.WARN, {"live.loaded.fleet": "0" * 64}),
        Example(
            "a replica that was ejected",
            Status.WARN,
            {f"{_STATE}.chat-gpu2-0": {"state": "ejected", "why": "connection refused"}},
        ),
        Example(
            "no replica that gets requests",
            Status.CRITICAL,
            {
                f"{_STATE}.chat-gpu1-0": {"state": "drained", "why": "an upgrade"},
                f"{_STATE}.chat-gpu2-0": {"state": "ejected", "why": "connection refused"},
            },
        ),
        Example(
            "an Nginx configuration that is not loaded",
            Status.WARN,
            {"configuration.changed_unix_s": 1009.0},
        ),
    ),
)

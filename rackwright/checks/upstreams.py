"""Nginx balances over the replicas of the plan, all of them and no others, and has loaded that."""

from __future__ import annotations

from rackwright.checks.results import CheckResult, Observation, PlannedService, Status, number_of

SLACK_S = 2.0
"""The start of a process is told in ticks since boot, the time of a file by the clock."""
_DEPLOY = "run the deploy's gateway stage: `--data stages=gateway`"


def check(planned: PlannedService, seen: Observation) -> CheckResult:
    """CRITICAL when half of the replicas or more get no requests; WARN for any other difference."""
    configuration = seen.get("configuration") or {}
    upstreams = configuration.get("upstreams")
    if upstreams is None:
        words = f"the configuration was not read ({str(configuration.get('words'))[:200]})"
        return planned.says("upstream", Status.UNKNOWN, words, "see the nginx check")
    servers = upstreams.get(planned.upstream) or []
    used = {one["address"] for one in servers if "down" not in one["options"]}
    names = dict(zip(planned.addresses, planned.replicas, strict=True))
    missing = [f"{name} ({where})" for where, name in names.items() if where not in used]
    if missing:
        evidence = f"{len(missing)} of {len(names)} replicas get no requests: {', '.join(missing)}"
        worst = Status.CRITICAL if 2 * len(missing) >= len(names) else Status.WARN
        return planned.says("upstream", worst, evidence, _DEPLOY)
    if others := sorted(used - set(names)):
        evidence = f"requests go to {', '.join(others)}, which the plan does not know"
        return planned.says("upstream", Status.WARN, evidence, _DEPLOY)
    changed, loaded = number_of(configuration, "changed_unix_s"), number_of(seen, "loaded_unix_s")
    if changed is None or loaded is None:
        evidence = "whether the configuration is loaded could not be told"
        return planned.says("upstream", Status.UNKNOWN, evidence, "see the nginx check")
    if changed > loaded + SLACK_S:
        evidence = "the configuration was changed after Nginx had loaded it"
        return planned.says("upstream", Status.WARN, evidence, "systemctl reload nginx")
    return planned.says("upstream", Status.OK, f"{len(names)} replicas, as planned")

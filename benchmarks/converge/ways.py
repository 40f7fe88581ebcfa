"""The ways to the desired state, and one run of one of them with its results checked."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.converge.desired import ITEMS
from lab.fleet import ROOT, LabHost

FOLDER = "benchmarks/converge"
LIMIT_S = 180


class Unfit(Exception):
    """A run did not do what is to be timed, so there is no figure to print."""


@dataclass(frozen=True)
class Way:
    """How the desired state is asked for: an inventory (which connector) and a deploy file."""

    name: str
    inventory: str
    deploy: str
    operations: int
    """How many operations a host sees; fewer would mean that pyinfra merged or skipped some."""


WAYS = (
    Way("plain operations, pyinfra's connector", "hosts_stock", "deploy_plain", len(ITEMS)),
    Way("plain operations, Rackwright's connector", "hosts_rackwright", "deploy_plain", len(ITEMS)),
    Way("Rackwright: one batched operation", "hosts_rackwright", "deploy_batched", 1),
)
FLOOR = Way("no operation: start and connect", "hosts_stock", "deploy_nothing", 0)
"""What any way takes at least: the process, the inventory and a connection to each host."""


@dataclass(frozen=True)
class Run:
    """A run that reported success on every host: its wall-clock time, and who changed."""

    seconds: float
    changed: frozenset[str]


def run(way: Way, hosts: Sequence[LabHost]) -> Run:
    """Run pyinfra as an operator does (`-y`), in a process of its own. Raises Unfit if it fails."""
    paths = [f"{FOLDER}/{name}.py" for name in (way.inventory, way.deploy)]
    argv = [sys.executable, "-m", "pyinfra", "-y", "--json", *paths]
    for host in hosts:
        argv += ["--limit", host.name]
    started = time.monotonic()
    try:
        done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=LIMIT_S)
    except subprocess.TimeoutExpired:
        raise Unfit(f"{way.name}: no end after {LIMIT_S} s") from None
    seconds = time.monotonic() - started
    if done.returncode != 0:
        raise Unfit(f"{way.name}: exit code {done.returncode}: {done.stderr[-2000:]}")
    return Run(seconds, changed_hosts(way, hosts, json.loads(done.stdout)["results"]))


def changed_hosts(way: Way, hosts: Sequence[LabHost], results: dict[str, Any]) -> frozenset[str]:
    """The hosts that an operation changed, by pyinfra's own results.

    Raises Unfit unless every operation of the way ran and succeeded on every host.
    """
    names = {host.name for host in hosts}
    operations = results["operations"]
    wrong = [o["name"] for o in operations if {*o["success"], *o["no_change"]} != names]
    if wrong or results["failed_hosts"] or len(operations) != way.operations:
        raise Unfit(
            f"{way.name}: {len(operations)} operations of {way.operations}, "
            f"failed on {results['failed_hosts']}, not on every host: {wrong}"
        )
    return frozenset(name for operation in operations for name in operation["success"])


def expect(way: Way, hosts: Sequence[LabHost], *, change: bool) -> Run:
    """A run that changed every host, or none. Raises Unfit when it did anything else."""
    finished = run(way, hosts)
    wanted = {host.name for host in hosts} if change else set()
    if finished.changed != wanted:
        told = ", ".join(sorted(finished.changed)) or "none"
        raise Unfit(f"{way.name}: changed {told}, not {', '.join(sorted(wanted)) or 'none'}")
    return finished

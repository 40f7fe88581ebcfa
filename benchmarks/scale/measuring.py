"""One fleet from its inventory to its reports, in this process: seconds and memory of each part.

`python -m benchmarks.scale.measuring SERVERS` prints them as JSON.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

from benchmarks.scale.connections import simulate
from benchmarks.scale.rendering import rendered
from benchmarks.scale.simulated import Simulated
from rackwright.checks.results import CheckResult, Status
from rackwright.plan import FleetPlan
from rackwright.report import junit_text, page, plan_document, plan_text, terminal_text
from rackwright.runner.asking import ask_all
from rackwright.runner.fleet import fleet_of
from rackwright.runner.inventory import load_inventory
from rackwright.runner.judging import judged
from rackwright.runner.observing import observe

INVENTORY = Path(__file__).with_name("inventory.py")
T = TypeVar("T")


class Clock:
    """What each part took, and the most memory that the process ever had by its end."""

    def __init__(self) -> None:
        """Nothing yet."""
        self.parts: list[dict[str, Any]] = []

    def time(self, part: str, work: Callable[[], T]) -> T:
        """Do a part of the work."""
        started, cpu = time.monotonic(), time.process_time()
        done = work()
        spent = {"seconds": time.monotonic() - started, "cpu_s": time.process_time() - cpu}
        self.parts.append({"part": part, **spent, "peak_mib": peak_mib()})
        return done


def peak_mib() -> float:
    """Of this process, so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measured(servers: int) -> dict[str, Any]:
    """The whole journey. Raises AssertionError where a host was not asked, or is not well."""
    clock = Clock()
    clock.parts.append({"part": "start", "seconds": 0.0, "cpu_s": 0.0, "peak_mib": peak_mib()})
    os.environ["SCALE_SERVERS"] = str(servers)
    inventory = clock.time("inventory", lambda: load_inventory(str(INVENTORY)))
    fleet = clock.time("plan", lambda: fleet_of(inventory))
    clock.time("plan, as text and JSON", lambda: _plan_texts(fleet.plan))
    sent = clock.time("render", lambda: rendered(fleet))
    hosts = Simulated(fleet)
    simulate(inventory, hosts)
    seen = clock.time("ask", lambda: ask_all(inventory, lambda _: observe(fleet)))
    results = clock.time("judge", lambda: judged(fleet, list(seen), seen))
    clock.time("reports", lambda: _reports(fleet.plan, results, seen))
    assert hosts.asked.keys() == seen.keys() == fleet.spec.settings.keys()
    assert {result.status for result in results} == {Status.OK}, [
        result for result in results if result.status is not Status.OK
    ][:3]
    return {
        "servers": servers,
        "replicas": len(fleet.plan.replicas),
        "checks": len(results),
        "sent_bytes": sum(sent.values()),
        "parts": clock.parts,
    }


def _plan_texts(plan: FleetPlan) -> int:
    return len(plan_text(plan)) + len(json.dumps(plan_document(plan)))


def _reports(plan: FleetPlan, results: Sequence[CheckResult], seen: dict[str, Any]) -> int:
    """Text, JSON, JUnit and the page, as `rackwright verify` writes them."""
    document = {"results": [asdict(one) for one in results], "observations": seen}
    texts = (terminal_text(results), json.dumps(document, indent=1, default=str))
    return sum(map(len, (*texts, junit_text(results), page(plan, results, seen))))


if __name__ == "__main__":
    print(json.dumps(measured(int(sys.argv[1]))))

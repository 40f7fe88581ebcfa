"""`rackwright verify`: the checks of a deploy at any other time, without a deploy."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from rackwright import checks
from rackwright.checks.results import CheckResult
from rackwright.plan import FleetPlan
from rackwright.runner.asking import ask_all
from rackwright.runner.fleet import fleet_of
from rackwright.runner.inventory import load_inventory
from rackwright.runner.observing import observe
from rackwright.runner.planned import planned


@dataclass(frozen=True)
class Verified:
    """What was observed, and what the checks say of it."""

    plan: FleetPlan
    results: list[CheckResult]
    observations: dict[str, dict[str, Any]]

    def json(self) -> str:
        """Results and observations, as in a deploy's report."""
        results = [asdict(result) for result in self.results]
        document = {"schema": 1, "results": results, "observations": self.observations}
        return json.dumps(document, indent=1, default=str)


def verified(path: str, said: Callable[[str], None], load: bool = True) -> Verified:
    """Ask every host of an inventory at once, and judge. Changes nothing on any of them.

    ``said`` hears a line as each host has answered; ``load`` sends a short burst of requests to
    replicas on GPUs. Raises SpecError or PlanError with every fault
    of the inventory.
    """
    inventory = load_inventory(path)
    fleet = fleet_of(inventory)
    total, done = len(inventory), 0

    def answered(name: str, answer: dict[str, Any]) -> None:
        nonlocal done
        done += 1
        words = f"no answer: {answer['error']}" if "error" in answer else "answered"
        said(f"{done} of {total}: {name} {words}")

    fleet.observations = ask_all(inventory, lambda _: observe(fleet, load), answered)
    results = checks.judge(planned(fleet, list(fleet.observations), load), fleet.observations)
    return Verified(fleet.plan, results, fleet.observations)

"""`rackwright verify`: the checks of a deploy at any other time, without a deploy."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click

from rackwright.checks.results import CheckResult, worst
from rackwright.exits import tell
from rackwright.plan import FleetPlan
from rackwright.report import junit_text, terminal_text
from rackwright.report.page import page
from rackwright.runner.asking import ask_all
from rackwright.runner.fleet import fleet_with_secrets
from rackwright.runner.inventory import load_inventory
from rackwright.runner.judging import judged
from rackwright.runner.observing import observe
from rackwright.schema.files import must_be_writable, write


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
    replicas on GPUs. Raises SpecError or PlanError with every fault of the inventory, SpecError
    where a secret is not there.
    """
    inventory = load_inventory(path)
    fleet = fleet_with_secrets(inventory)
    total, done = len(inventory), 0

    def answered(name: str, answer: dict[str, Any]) -> None:
        nonlocal done
        done += 1
        words = f"no answer: {answer['error']}" if "error" in answer else "answered"
        said(f"{done} of {total}: {name} {words}")

    fleet.observations = ask_all(inventory, lambda _: observe(fleet, load), answered)
    results = judged(fleet, list(fleet.observations), fleet.observations, load)
    return Verified(fleet.plan, results, fleet.observations)


@click.command(short_help="Compare what runs with what is planned")
@click.argument("inventory", type=click.Path(exists=True, dir_okay=False))
@click.option("--json", "as_json", is_flag=True, help="Print results and observations as JSON.")
@click.option("--junit", type=click.Path(dir_okay=False, path_type=Path), help="Write JUnit XML.")
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), help="Write a page.")
@click.option("--no-load", is_flag=True, help="Without the burst of requests that loads the GPUs.")
def verify(
    inventory: str, as_json: bool, junit: Path | None, html: Path | None, no_load: bool
) -> None:
    """Ask every host of INVENTORY what runs there, and compare it with the plan. Only reads.

    Each replica on GPUs gets at most 8 requests at once for 3 seconds, less those it has anyway.

    Exits as a Nagios plugin does: 0 OK, 1 WARN, 2 CRITICAL, 3 UNKNOWN, by the worst check.
    """
    for path in filter(None, (junit, html)):
        must_be_writable(path)
    found = verified(inventory, lambda line: tell(line, err=True), not no_load)
    tell(found.json() if as_json else terminal_text(found.results))
    if junit:
        write(junit, junit_text(found.results))
    if html:
        write(html, page(found.plan, found.results, found.observations))
    sys.exit(worst(found.results))

"""`rackwright preflight`: what would go wrong with each server's driver, asked without a deploy."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import click
from pyinfra.api.host import Host

from rackwright.checks.accepting import REACHED
from rackwright.checks.results import CheckResult, Status, worst
from rackwright.driver.preflight import PREDICTIONS, predict
from rackwright.exits import tell
from rackwright.report import terminal_text
from rackwright.runner.asking import ask_all
from rackwright.runner.driver import outlook
from rackwright.runner.fleet import fleet_of
from rackwright.runner.inventory import load_inventory
from rackwright.runner.judging import accepted


def predicted(path: str, said: Callable[[str], None]) -> list[CheckResult]:
    """The predictions for every GPU server of an inventory; nothing is changed on any.

    ``said`` hears a line as each host has answered. Raises SpecError or PlanError with every fault
    of the inventory.
    """
    inventory = load_inventory(path)
    fleet = fleet_of(inventory)

    def question(host: Host) -> dict[str, Any]:
        if host.name not in fleet.spec.servers:
            return {"rows": []}
        return {"rows": [asdict(row) for row in predict(outlook(host, fleet).situation)]}

    answers = ask_all(inventory, question, lambda name, _: said(f"{name} answered"))
    rows = [row for name, answer in answers.items() for row in _rows(name, answer)]
    return accepted(rows, fleet, (REACHED, *PREDICTIONS))


def _rows(name: str, answer: dict[str, Any]) -> list[CheckResult]:
    if "error" in answer:
        remedy = f"`ssh {name}` must work and the host must answer"
        return [CheckResult(REACHED, name, name, Status.CRITICAL, answer["error"], remedy)]
    return [CheckResult(**row) for row in answer["rows"]]


@click.command(short_help="What would go wrong with the driver")
@click.argument("inventory", type=click.Path(exists=True, dir_okay=False))
def preflight(inventory: str) -> None:
    """What would go wrong with the driver of each server of INVENTORY. Only reads.

    Exits as a Nagios plugin does: 0 OK, 1 WARN, 2 CRITICAL, 3 UNKNOWN, by the worst row.
    """
    results = predicted(inventory, lambda line: tell(line, err=True))
    tell(terminal_text(results))
    sys.exit(worst(results) if results else 0)

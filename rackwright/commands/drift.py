"""`rackwright drift`: how hosts differ from the plan, each difference by its name."""

from __future__ import annotations

import sys
from typing import Any

import click

from rackwright.checks.results import Status
from rackwright.exits import tell
from rackwright.report.drift import drift_json, drift_text
from rackwright.runner.drifts import look, named_hosts
from rackwright.runner.fleet import fleet_with_lock
from rackwright.runner.inventory import load_inventory


@click.command(short_help="How hosts differ from the plan")
@click.argument("inventory", type=click.Path(exists=True, dir_okay=False))
@click.argument("hosts", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="Print drifts as JSON.")
@click.option("--diff", "lines", is_flag=True, help="With the lines of files that differ.")
@click.option("--deep", is_flag=True, help="Read all weights, and compare their digests.")
def drift(inventory: str, hosts: tuple[str, ...], as_json: bool, lines: bool, deep: bool) -> None:
    """Compare HOSTS of INVENTORY, or all, with the plan. Only reads, in one question a host.

    Exits with 0 where there is no drift, 1 where there is, 3 where a host was not looked at in
    whole.
    """
    loaded = load_inventory(inventory)
    fleet = fleet_with_lock(loaded)
    names = named_hosts(fleet, hosts)
    found = look(fleet, loaded, names, _said, deep)
    if as_json:
        tell(drift_json(found.drifts, found.silent))
    else:
        tell(drift_text(found.drifts, found.silent, len(names), lines))
    unknown, drifted = Status.UNKNOWN.exit_code, Status.WARN.exit_code
    sys.exit(unknown if found.silent else drifted if found.drifts else 0)


def _said(name: str, answer: dict[str, Any]) -> None:
    words = f"no answer: {answer['error']}" if "error" in answer else "answered"
    tell(f"{name}: {words}", err=True)

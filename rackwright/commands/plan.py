"""`rackwright plan`: an inventory is validated and its plan printed; no host is asked."""

from __future__ import annotations

import json

import click

from rackwright.exits import tell
from rackwright.report import plan_document, plan_text
from rackwright.runner.fleet import fleet_of
from rackwright.runner.inventory import load_inventory


@click.command(short_help="What will run where, and why not otherwise")
@click.argument("inventory", type=click.Path(exists=True, dir_okay=False))
@click.option("--json", "as_json", is_flag=True, help="Print the plan as JSON.")
def plan(inventory: str, as_json: bool) -> None:
    """Validate an inventory and print its plan. Connects to no host."""
    fleet = fleet_of(load_inventory(inventory))
    if as_json:
        tell(json.dumps(plan_document(fleet.plan), indent=1))
    else:
        tell(plan_text(fleet.plan))

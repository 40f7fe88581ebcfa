"""`rackwright plan`: an inventory is validated and its plan printed; no host is asked.

It needs no secrets, so that one who has none may plan; it says which ones a deploy will want.
"""

from __future__ import annotations

import json

import click

from rackwright.exits import tell
from rackwright.report import plan_document, plan_text
from rackwright.runner.fleet import fleet_of
from rackwright.runner.inventory import load_inventory
from rackwright.runner.secrets import secret_faults


@click.command(short_help="What will run where, and why not otherwise")
@click.argument("inventory", type=click.Path(exists=True, dir_okay=False))
@click.option("--json", "as_json", is_flag=True, help="Print the plan as JSON.")
def plan(inventory: str, as_json: bool) -> None:
    """Validate an inventory and print its plan. Connects to no host."""
    fleet = fleet_of(load_inventory(inventory))
    for fault in secret_faults(fleet.spec.settings):
        tell(f"warning: {fault}; a deploy is refused until then", err=True)
    if as_json:
        tell(json.dumps(plan_document(fleet.plan), indent=1))
    else:
        tell(plan_text(fleet.plan))

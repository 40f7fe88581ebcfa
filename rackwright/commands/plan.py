"""`rackwright plan`: an inventory is validated and its plan printed; no host is asked.

What a deploy would refuse is refused here too, an API key that is not set among it; one who has no
secrets may plan ``--without-secrets``.
"""

from __future__ import annotations

import json

import click

from rackwright.exits import tell
from rackwright.installed import loading
from rackwright.report import plan_document, plan_text
from rackwright.runner.fleet import fleet_of, fleet_to_deploy
from rackwright.runner.inventory import load_inventory
from rackwright.runner.locked import lock_of
from rackwright.runner.secrets import secret_faults


@click.command(short_help="What will run where, and why not otherwise")
@click.argument("inventory", type=click.Path(exists=True, dir_okay=False))
@click.option("--json", "as_json", is_flag=True, help="Print the plan as JSON.")
@click.option(
    "--without-secrets", is_flag=True, help="Warn of keys and tokens that are not set, and plan."
)
def plan(inventory: str, as_json: bool, without_secrets: bool) -> None:
    """Validate an inventory and print its plan. Connects to no host."""
    with loading():  # what is read stays until the end
        read = load_inventory(inventory)
        fleet = fleet_of(read) if without_secrets else fleet_to_deploy(read)
        if without_secrets:
            lock_of(read, fleet.spec, fleet.plan)
    for fault in secret_faults(fleet.spec):
        tell(f"warning: {fault}; a deploy is refused until then", err=True)
    if as_json:
        tell(json.dumps(plan_document(fleet.plan), indent=1))
    else:
        tell(plan_text(fleet.plan))

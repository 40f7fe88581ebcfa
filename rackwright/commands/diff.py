"""`rackwright diff`: why two servers that should be equal are not."""

from __future__ import annotations

import sys

import click

from rackwright.checks.results import Status
from rackwright.drift.between import unlike
from rackwright.errors import HostError
from rackwright.exits import tell
from rackwright.report.between import between_json, between_text
from rackwright.runner.drifts import look, named_hosts
from rackwright.runner.fleet import fleet_with_lock
from rackwright.runner.inventory import load_inventory


@click.command(short_help="Why two servers are not equal")
@click.argument("inventory", type=click.Path(exists=True, dir_okay=False))
@click.argument("host")
@click.argument("other")
@click.option("--json", "as_json", is_flag=True, help="Print differences as JSON.")
def diff(inventory: str, host: str, other: str, as_json: bool) -> None:
    """What is otherwise on HOST than on OTHER, planned or there. Only reads.

    Names, addresses and GPUs' numbers of their own are no difference. Exits with 0 where there is
    none, 1 where there is one.
    """
    loaded = load_inventory(inventory)
    fleet = fleet_with_lock(loaded)
    named_hosts(fleet, (host, other))
    found = look(fleet, loaded, dict.fromkeys((host, other)))
    if found.silent:
        raise HostError("\n".join(f"{name}: {why}" for name, why in found.silent.items()))
    questions = found.questions[host], found.questions[other]
    rows = unlike(questions, (found.answers[host], found.answers[other]))
    tell((between_json if as_json else between_text)(host, other, rows))
    sys.exit(Status.WARN.exit_code if rows else 0)

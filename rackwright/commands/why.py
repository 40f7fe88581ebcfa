"""`rackwright why`: why a replica fails, asked of its hosts without a deploy."""

from __future__ import annotations

import sys
from typing import Any

import click
from pyinfra.api.host import Host

from rackwright.checks.results import worst_of
from rackwright.exits import tell
from rackwright.runner.asking import ask_all
from rackwright.runner.fleet import fleet_of
from rackwright.runner.inventory import load_inventory
from rackwright.runner.starts import Told, asked_of, told_of


def told(path: str, name: str) -> list[Told]:
    """What is told of a replica by every host it is on. Changes nothing on any of them.

    Raises SpecError or PlanError with every fault of the inventory, and RefusedError for a replica
    that is not planned.
    """
    inventory = load_inventory(path)
    asked = asked_of(fleet_of(inventory), name)

    def question(host: Host) -> dict[str, Any]:
        one = asked[host.name]
        return {"told": told_of(host, [one])[one.unit]}

    answers = ask_all(inventory, question, only=asked)
    return [
        Told(host, one.unit, answers[host].get("told"), str(answers[host].get("error", "")))
        for host, one in asked.items()
    ]


@click.command(short_help="Why a replica fails: cause and remedy")
@click.argument("inventory", type=click.Path(exists=True, dir_okay=False))
@click.argument("replica")
def why(inventory: str, replica: str) -> None:
    """Why REPLICA (chat-gpu1-0) fails or was restarted: first error, cause, remedy. Only reads.

    Exits as verify does: 0 it runs, 1 it starts, or runs after failures, 2 it does not run, 3 its
    host does not say.
    """
    found = told(inventory, replica)
    tell("\n".join(one.text() for one in found))
    sys.exit(worst_of(one.status for one in found))

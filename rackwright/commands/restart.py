"""`rackwright restart`: a replica, or all of a server one by one, started anew without loss."""

from __future__ import annotations

import click

from rackwright.exits import tell
from rackwright.runner.asking import connections
from rackwright.runner.fleet import fleet_of
from rackwright.runner.interrupting import Interrupting
from rackwright.runner.inventory import load_inventory
from rackwright.runner.named_replicas import named_replicas


@click.command(short_help="Start a replica anew, without loss")
@click.argument("inventory", type=click.Path(exists=True, dir_okay=False))
@click.argument("name", metavar="HOST|REPLICA")
@click.option("--force", is_flag=True, help="Also where a service then has no replica in.")
def restart(inventory: str, name: str, force: bool) -> None:
    """Start REPLICA, or all replicas on HOST one after another, anew as they are.

    Each is drained, has answered what it has, is stopped and started on all of its servers, proven
    by a completion, and given back.
    """
    hosts = load_inventory(inventory)
    fleet = fleet_of(hosts)
    names = named_replicas(fleet.plan, name)
    interrupting = Interrupting(fleet, hosts, "restart", said)
    with connections(hosts):
        for each in names:
            interrupting.permit([each], force=force)
            interrupting.restart(each)


def said(name: str, words: str) -> None:
    """Print a line of progress."""
    tell(f"{name}: {words}", err=True)

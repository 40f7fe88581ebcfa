"""`rackwright undrain`: what was drained gets requests again."""

from __future__ import annotations

import click

from rackwright.commands.drain import tell_states
from rackwright.runner import drains
from rackwright.runner.asking import connections
from rackwright.runner.fleet import fleet_of
from rackwright.runner.inventory import load_inventory
from rackwright.runner.named_replicas import named_replicas


@click.command(short_help="Send it requests again")
@click.argument("inventory", type=click.Path(exists=True, dir_okay=False))
@click.argument("name", metavar="HOST|REPLICA")
def undrain(inventory: str, name: str) -> None:
    """Have all gateways send REPLICA, or all replicas on HOST, requests again."""
    hosts = load_inventory(inventory)
    fleet = fleet_of(hosts)
    names = named_replicas(fleet.plan, name)
    with connections(hosts):
        drains.undrain(fleet, hosts, names)
        tell_states(fleet, hosts, names)

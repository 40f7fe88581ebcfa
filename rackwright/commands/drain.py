"""`rackwright drain`: a replica, or all of a server, out of traffic until somebody puts it back."""

from __future__ import annotations

from collections.abc import Sequence

import click
from pyinfra.api.inventory import Inventory

from rackwright.commands.gateway import short_why
from rackwright.exits import tell
from rackwright.report.gateway import replica_words
from rackwright.runner import drains
from rackwright.runner.asking import connections
from rackwright.runner.fleet import FleetRun, fleet_of
from rackwright.runner.idle import await_idle
from rackwright.runner.inventory import load_inventory
from rackwright.runner.named_replicas import named_replicas
from rackwright.runner.turns_at_gateways import states_at_gateways


@click.command(short_help="Send a server or a replica no new requests")
@click.argument("inventory", type=click.Path(exists=True, dir_okay=False))
@click.argument("name", metavar="HOST|REPLICA")
@click.option("--why", default="by hand", callback=short_why, help="Shown beside its state.")
@click.option("--wait", is_flag=True, help="Until it has answered what it has.")
@click.option("--force", is_flag=True, help="Also where a service then has no replica in.")
def drain(inventory: str, name: str, why: str, wait: bool, force: bool) -> None:
    """Send REPLICA, or all replicas on HOST, no new requests; those that they have are answered.

    At all gateways or at none. It stays so, over reloads and restarts, until `undrain`.
    """
    hosts = load_inventory(inventory)
    fleet = fleet_of(hosts)
    names = named_replicas(fleet.plan, name)
    with connections(hosts):
        for absence in drains.drain(fleet, hosts, names, why, force=force):
            tell(f"{absence}: its requests wait in line, then get 429 or go outside", err=True)
        tell_states(fleet, hosts, names)
        if wait:
            await_idle(fleet, hosts, names, lambda words: tell(words, err=True))


def tell_states(fleet: FleetRun, hosts: Inventory, names: Sequence[str]) -> None:
    """Print a line of each replica at each gateway."""
    for gateway, replicas in states_at_gateways(fleet, hosts).items():
        for name in names:
            if name in replicas:
                tell(f"{gateway}: {name} {replica_words(replicas[name].told)}")

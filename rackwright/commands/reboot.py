"""`rackwright reboot`: a GPU server, out of traffic before and proven after."""

from __future__ import annotations

import click

from rackwright.commands.restart import said
from rackwright.runner.asking import connections
from rackwright.runner.fleet import fleet_of
from rackwright.runner.interrupting import Interrupting
from rackwright.runner.inventory import load_inventory
from rackwright.runner.reboots import reboot as reboot_server


@click.command(short_help="Reboot a server, without loss")
@click.argument("inventory", type=click.Path(exists=True, dir_okay=False))
@click.argument("host")
@click.option("--force", is_flag=True, help="Also where a service then has no replica in.")
def reboot(inventory: str, host: str, force: bool) -> None:
    """Reboot HOST, a GPU server.

    Its replicas are drained one after another and have answered what they have before any is
    stopped. When it is back each is proven by a completion, and given back.
    """
    hosts = load_inventory(inventory)
    interrupting = Interrupting(fleet_of(hosts), hosts, "reboot", said)
    with connections(hosts):
        reboot_server(interrupting, host, force=force)

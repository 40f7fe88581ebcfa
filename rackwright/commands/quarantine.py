"""`rackwright quarantine`: a server out of traffic until it is proven."""

from __future__ import annotations

import click

from rackwright.commands.gateway import MOST_WHY_BYTES
from rackwright.exits import tell
from rackwright.runner.asking import connections, reach
from rackwright.runner.fleet import fleet_of
from rackwright.runner.inventory import load_inventory
from rackwright.runner.quarantine import Quarantine, begin_quarantine, must_be_watched


def why_of(ctx: click.Context, param: click.Parameter, text: str | None) -> str | None:
    """One line of so many bytes, for tables."""
    if text is None:
        return None
    if not text.strip() or not text.isprintable() or len(text.encode()) > MOST_WHY_BYTES:
        raise click.BadParameter(f"must be one line of 1 to {MOST_WHY_BYTES} bytes")
    return text


def quarantined(path: str, server: str, why: str) -> Quarantine:
    """Have a server be in quarantine. Raises RefusedError, HostError, or as ``fleet_of``."""
    inventory = load_inventory(path)
    fleet = fleet_of(inventory)
    settings = fleet.spec.settings.get(server)
    must_be_watched(fleet.plan, server, settings)
    with connections(inventory):
        return begin_quarantine(reach(inventory, server), fleet.settings(server), why)


@click.command(short_help="Take a server out until it is proven")
@click.argument("inventory", type=click.Path(exists=True, dir_okay=False))
@click.argument("host")
@click.option("--why", required=True, callback=why_of, help="Shown wherever the server is.")
def quarantine(inventory: str, host: str, why: str) -> None:
    """Put HOST, a GPU server of INVENTORY, into quarantine, as its watchdog does for a GPU fault.

    Gateways hear it from the watchdog within seconds, and send it no new requests. It is over with
    `rackwright return INVENTORY HOST`. A quarantine that is there already stays as it is.
    """
    found = quarantined(inventory, host, why)
    already = "" if found.begun else "already "
    tell(f"{host} is {already}in quarantine {found.words}")

"""`rackwright rollout`: what is planned, brought to replicas that serve, one after another."""

from __future__ import annotations

import click

from rackwright.errors import HostError, RefusedError, nearest
from rackwright.exits import tell
from rackwright.runner.deploying import deployed
from rackwright.runner.fleet import FleetRun, fleet_to_deploy
from rackwright.runner.inventory import load_inventory
from rackwright.runner.steps.options import Options, asked_for

STAGES = ("base", "firewall", "engines", "models", "replicas")
"""Releases and weights first, beside what runs: no engine is touched by them."""
GATEWAY = "gateway"
"""The gateways' data as planned: of all services, so only when all of them run as planned."""


@click.command(short_help="Change replicas one after another, without loss")
@click.argument("inventory", type=click.Path(exists=True, dir_okay=False))
@click.option("--service", help="Of this service's replicas alone.")
@click.option(
    "--batch",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="So many replicas at once, each of another service.",
)
@click.option(
    "--canary", is_flag=True, help="Watch the first for canary_s, and put it back if it is worse."
)
def rollout(inventory: str, service: str | None, batch: int, canary: bool) -> None:
    """Bring what INVENTORY plans to its replicas, one of each service at a time.

    Each is drained at all gateways and waited for, then changed, started, proven and given back.
    One that fails is put back to what it ran before, and no other is touched. Run it again after
    whatever ended it: it goes on where it was.
    """
    fleet = fleet_to_deploy(load_inventory(inventory))
    hosts = _hosts(fleet, service)
    stages = STAGES if service else (*STAGES, GATEWAY)
    with asked_for(Options(service, batch, canary)):
        done = deployed(inventory, stages, hosts)
    if not done:
        raise HostError("the rollout did not come to its end: what failed is said above")
    if service:
        tell("gateways keep their data but for where replicas listen: a deploy brings the rest")


def _hosts(fleet: FleetRun, service: str | None) -> list[str] | None:
    """The servers of a service. Raises RefusedError for one that is not there."""
    if service is None:
        return None
    known = fleet.spec.services
    if service not in known:
        raise RefusedError(f"service {service!r} {nearest(service, known)}")
    servers = [one.server.name for one in fleet.plan.replicas if one.service.name == service]
    return list(dict.fromkeys(servers))

"""`rackwright seeds`: what replicas compiled and others may take, on all servers."""

from __future__ import annotations

import click
from pyinfra.api.host import Host

from rackwright.desired.seeds import has_seed
from rackwright.exits import tell
from rackwright.plan import Replica
from rackwright.report.seeds import seeds_text
from rackwright.runner.asking import Answer, ask_all
from rackwright.runner.fleet import FleetRun, fleet_of
from rackwright.runner.inventory import load_inventory
from rackwright.runner.seeds import listed, make
from rackwright.runner.steps import proof
from rackwright.runner.steps.rank import Rank


def seeds_of(path: str, *, make_missing: bool) -> str:
    """The tables, after seeds were made that are missing. Raises SpecError or PlanError."""
    inventory = load_inventory(path)
    fleet = fleet_of(inventory)
    may = {name: _may_have(fleet, name) for name in fleet.plan.servers}

    def question(host: Host) -> Answer:
        if make_missing:
            _make(fleet, host, may[host.name])
        return listed(host, fleet.settings(host.name))

    only = {name for name, replicas in may.items() if replicas}
    answers = ask_all(inventory, question, only=only)
    return seeds_text(answers, {name: [one.name for one in may[name]] for name in only})


def _may_have(fleet: FleetRun, name: str) -> list[Replica]:
    return [one for one in fleet.plan.on(name) if has_seed(one, fleet.settings(name))]


def _make(fleet: FleetRun, host: Host, replicas: list[Replica]) -> None:
    """Of those that are proven by what the checks ask of a replica that serves."""
    settings = fleet.settings(host.name)
    ranks = [Rank(host, one, settings, (), fleet.spec.accepted) for one in replicas]
    faults = {rank.replica.name: proof.faults((), rank.observe(load=False)[1]) for rank in ranks}
    for name, found in faults.items():
        if found:
            _said(name, f"is not proven, no seed is made: {'; '.join(found)}")
    make(host, [one for one in replicas if not faults[one.name]], settings, _said)


def _said(name: str, words: str) -> None:
    tell(f"{name}: {words}", err=True)


@click.command(short_help="Show what replicas compiled and others may take")
@click.argument("inventory", type=click.Path(exists=True, dir_okay=False))
@click.option("--make", "make_missing", is_flag=True, help="Make those that are missing, first.")
def seeds(inventory: str, make_missing: bool) -> None:
    """Show each server's seeds, and which of them its replicas have.

    A seed is what a proven replica compiled when it started. One that is alike (release, model,
    arguments, GPU type, processor, driver branch) starts sooner with it. Deploys and rollouts make
    and take them; --make makes those that are missing of replicas that serve now.
    """
    tell(seeds_of(inventory, make_missing=make_missing))

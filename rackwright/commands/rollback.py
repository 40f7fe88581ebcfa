"""`rackwright rollback`: replicas put back to what they ran before, one after another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import click
from pyinfra.api.inventory import Inventory

from rackwright.desired import paths
from rackwright.desired.items import Unit
from rackwright.errors import RefusedError, nearest
from rackwright.exits import tell
from rackwright.plan import FleetPlan, Replica
from rackwright.runner.asking import connections, reach
from rackwright.runner.fleet import FleetRun, fleet_of
from rackwright.runner.inventory import load_inventory
from rackwright.runner.named_replicas import named_replicas, ranks_of
from rackwright.runner.steps import absence
from rackwright.runner.steps.changing import as_before
from rackwright.runner.steps.gates import Gates
from rackwright.runner.steps.owners import new_owner
from rackwright.runner.steps.rank import Rank
from rackwright.runner.steps.step import Step
from rackwright.runner.steps.terms import Terms
from rackwright.runner.steps.view import View


@click.command(short_help="Put replicas back to what they ran before")
@click.argument("inventory", type=click.Path(exists=True, dir_okay=False))
@click.argument("name", metavar="[HOST|REPLICA]", required=False)
@click.option("--service", help="All replicas of a service.")
def rollback(inventory: str, name: str | None, service: str | None) -> None:
    """Put REPLICA, all of HOST or all of a service back to what each ran before its last change.

    By the same steps as a rollout: nothing is lost. Twice is forward again. The inventory still
    says what it said: put that back too, or the next deploy brings it again.
    """
    hosts = load_inventory(inventory)
    fleet = fleet_of(hosts)
    names = _names(fleet.plan, name, service)
    with connections(hosts):
        ranks = {each: _ranks(fleet, each, hosts) for each in names}
        back = {each: _back(each, its) for each, its in ranks.items()}
        gates, view, owner = Gates(fleet, hosts), View(_said), new_owner()
        gates.learn([rank.former_key() for its in ranks.values() for rank in its])
        for each, its in ranks.items():
            terms = _terms(fleet, its[0], owner)
            Step(its, gates, view, terms, as_before, back=back[each]).run()


def _said(name: str, words: str) -> None:
    tell(f"{name}: {words}", err=True)


def _names(plan: FleetPlan, name: str | None, service: str | None) -> tuple[str, ...]:
    if (name is None) == (service is None):
        raise click.UsageError("give a replica, a host, or --service")
    if name is not None:
        return named_replicas(plan, name)
    names = tuple(dict.fromkeys(r.name for r in plan.replicas if r.service.name == service))
    if not names:
        known = {one.service.name for one in plan.replicas}
        raise RefusedError(f"service {service!r} {nearest(str(service), known)}")
    return names


def _ranks(fleet: FleetRun, name: str, hosts: Inventory) -> list[Rank]:
    """As they run: what is planned of them may be another thing."""
    return [_rank(fleet, one, hosts) for one in ranks_of(fleet.plan, name)]


def _rank(fleet: FleetRun, replica: Replica, hosts: Inventory) -> Rank:
    settings = fleet.settings(replica.server.name)
    unit = Unit(paths.unit_name(replica), start_timeout_s=settings.start_timeout_s)
    host = reach(hosts, replica.server.name)
    return Rank(host, replica, settings, (unit,), fleet.spec.accepted)


def _back(name: str, ranks: Sequence[Rank]) -> list[Rank]:
    """The same as they were. Raises RefusedError where a server keeps nothing of that."""
    ways = [(rank, rank.way_back()) for rank in ranks]
    for rank, way in ways:
        if way is None:
            raise RefusedError(f"{rank.host.name} keeps nothing of what {name} ran before")
    return [rank.listening((way or {}).get("listens")) for rank, way in ways]


def _terms(fleet: FleetRun, rank: Rank, owner: str) -> Terms:
    """Where its requests have nowhere to go, they wait, and the operator is told how long."""
    service = rank.replica.service
    terms = Terms(owner, rank.settings.drain_timeout_s, service.rollout == "one", why="rollback")
    if len({one.name for one in fleet.plan.replicas if one.service.name == service.name}) > 1:
        return terms
    last_s, most_s = rank.last_start_s(), rank.settings.start_timeout_s
    _said(rank.replica.name, absence.words(service.name, last_s, most_s))
    return replace(terms, hold_s=absence.hold_s(last_s, most_s))

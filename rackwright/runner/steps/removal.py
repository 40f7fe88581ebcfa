"""Replicas that come or go: a new one is known to gateways once it runs, one that leaves before."""

from __future__ import annotations

import time
from collections.abc import Sequence

import gevent

from rackwright.desired import paths
from rackwright.desired.items import Change, NoOtherUnits, payload
from rackwright.desired.replicas import no_other_units
from rackwright.errors import HostError
from rackwright.planning.beside import BESIDE
from rackwright.runner.remote_call import call
from rackwright.runner.steps import proof
from rackwright.runner.steps.gates import Gates
from rackwright.runner.steps.rank import TURNS, Rank
from rackwright.runner.steps.stages import Stage
from rackwright.runner.steps.step import PATIENCE_S, POLL_S, Terms, stop_all
from rackwright.runner.steps.view import View
from rackwright.runner.steps.work import Work
from rackwright.runner.turns_at_gateways import Turn, TurnWanted


def start(ranks: Sequence[Rank], gates: Gates, view: View) -> None:
    """All processes of a replica that nobody has requests on; gateways then know it.

    One that stands in for another is proven first. Raises HostError.
    """
    replica = ranks[0].replica
    view.enter(replica.name, Stage.START)
    stop_all([rank for rank in ranks if replica.span])
    for rank in ranks:
        rank.apply()
    for rank in ranks:
        rank.wait()
    if replica.name.endswith(BESIDE):
        view.enter(replica.name, Stage.PROVE)
        results = [row for rank in ranks for row in rank.observe(load=True)[1]]
        if found := proof.faults((), results):
            raise HostError(f"{replica.name} is not proven: {'; '.join(found)}")
    gates.put(replica, {}, ranks[0].key_id())
    view.done(replica.name)


def remove(
    name: str,
    service: str,
    works: Sequence[Work],
    gates: Gates,
    view: View,
    terms: Terms,
    ranks: Sequence[Rank] = (),
) -> None:
    """Drained, taken out of the gateways' data, then stopped and taken away. Raises HostError.

    ``works``: of each server that has a process of it. ``terms.alone`` where its service goes on
    with others. ``ranks``: of one whose engine can be asked how many requests it has; behind a
    router gateways do not know.
    """
    view.enter(name, Stage.DRAIN)
    wanted = TurnWanted(name, terms.owner, "leaves the plan: drained", terms.hold_s, terms.alone)
    with gates.turn(wanted, lambda words: view.say(name, words), PATIENCE_S) as turn:
        if turn.held:
            if gates.router_notices_s(service):
                gevent.sleep(POLL_S)  # what the router had chosen it for may be on its way
            _wait_until_idle(name, turn, view, terms, ranks)
        gates.take_out(service, name)
        view.enter(name, Stage.CHANGE)
        for work in works:
            take_away(name, work)
        turn.give_back()
    view.done(name)


def _wait_until_idle(
    name: str, turn: Turn, view: View, terms: Terms, ranks: Sequence[Rank]
) -> None:
    view.enter(name, Stage.WAIT)
    deadline = time.monotonic() + terms.drain_timeout_s
    while (left := _in_flight(turn, ranks)) and time.monotonic() < deadline:
        view.in_flight(name, left)
        gevent.sleep(POLL_S)


def _in_flight(turn: Turn, ranks: Sequence[Rank]) -> int:
    return max(turn.in_flight(), *(rank.running() or 0 for rank in ranks), 0)


def take_away(name: str, work: Work) -> None:
    """Stop a replica's unit on one server; others that leave are still to be drained.

    Its way back goes with it, and with that the secrets of its environment.
    """
    unit = f"{paths.UNIT_PREFIX}{name}.service"
    there = [one.seen["units"] for one in work.unplanned if isinstance(one.item, NoOtherUnits)]
    others = [one for units in there for one in units if one != unit]
    planned = [paths.unit_name(one) for one in work.planned]
    item = no_other_units([*planned, *others], work.settings)
    request = {"do": "apply", "items": payload([Change(item, "left the plan", {"units": [unit]})])}
    forget = {"do": "forget", "folder": paths.turns_dir(work.settings), "replica": name}
    for script, asked in (("state", request), (TURNS, forget)):
        said = call(work.host, script, asked, kind=dict)
        if error := said.get("error"):
            raise HostError(f"{work.host.name}: {error}")

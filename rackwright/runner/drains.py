"""Replicas that an operator takes out of traffic by hand, and puts back, at all gateways."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from pyinfra.api.inventory import Inventory

from rackwright.errors import RackwrightError, RefusedError
from rackwright.runner.absences import Absence, States, absences, refuse_absence
from rackwright.runner.fleet import FleetRun
from rackwright.runner.gateway_leases import ReplicaState, change_at
from rackwright.runner.gateway_state import gateways_of
from rackwright.runner.named_replicas import ranks_of
from rackwright.runner.steps.owners import new_owner
from rackwright.runner.turns_at_gateways import Turn, TurnWanted, states_at_gateways


def drain(
    fleet: FleetRun, inventory: Inventory, names: Sequence[str], why: str, *, force: bool
) -> list[Absence]:
    """Have no gateway send these replicas requests, until somebody undoes it.

    It is done within their turns, so it cannot meet a rollout. Raises RefusedError where a service
    would have no replica in (not with ``force``), or another has its turn; HostError where a
    gateway gives no answer. Nothing is changed then. Returns what services are absent by it.
    """
    states = _states(fleet, inventory, names)
    found = list(absences(states, names))
    if not force:
        refuse_absence(found)
    with turns_of(fleet, inventory, names, why, force=force) as turns:
        _drain_all(inventory, turns, why, states)
    return found


def _drain_all(inventory: Inventory, turns: Sequence[Turn], why: str, states: States) -> None:
    """Where a gateway does not do it, those that have take it back."""
    done: list[tuple[str, str]] = []
    try:
        for turn in turns:
            for gateway in turn.held:
                done.append((gateway, turn.wanted.replica))
                change_at(inventory, gateway, turn.wanted.replica, {"drained": True, "why": why})
    except RackwrightError:
        for gateway, name in done:
            if states[gateway][name].state != "drained":
                with suppress(RackwrightError):
                    change_at(inventory, gateway, name, {"drained": False})
        raise


def undrain(fleet: FleetRun, inventory: Inventory, names: Sequence[str]) -> None:
    """Have all gateways send these replicas requests again.

    Raises RefusedError where one has its turn, which ends by itself; HostError where a gateway
    gives no answer.
    """
    states = _states(fleet, inventory, names)
    for gateway, replicas in states.items():
        for name in names:
            if turn := name in replicas and replicas[name].told.get("turn"):
                raise RefusedError(
                    f"{name} is in the turn of {turn['owner']} at {gateway} "
                    f"({replicas[name].told.get('why')}): that ends by itself"
                )
    for gateway, replicas in states.items():
        for name in names:
            if name in replicas:
                change_at(inventory, gateway, name, {"drained": False})


def _states(
    fleet: FleetRun, inventory: Inventory, names: Sequence[str]
) -> dict[str, dict[str, ReplicaState]]:
    gateways_of(fleet)
    states = states_at_gateways(fleet, inventory)
    known = {name for replicas in states.values() for name in replicas}
    if unknown := [name for name in names if name not in known]:
        raise RefusedError(f"no gateway that runs sends requests to {', '.join(unknown)}")
    return states


@contextmanager
def turns_of(
    fleet: FleetRun, inventory: Inventory, names: Sequence[str], why: str, *, force: bool
) -> Iterator[list[Turn]]:
    """The turns of several replicas, one after another; all or none. Given back as they were.

    Of each service the first is asked for alone, which keeps everybody else out of it.
    """
    owner, turns, services = new_owner(), [], set()
    try:
        for name in names:
            service = ranks_of(fleet.plan, name)[0].service.name
            alone = not force and service not in services
            wanted = TurnWanted(name, owner, why, alone=alone)
            turn = Turn(inventory, tuple(fleet.spec.gateways), wanted)
            turn.take()
            turns.append(turn)
            services.add(service)
        yield turns
    finally:
        for turn in turns:
            turn.leave()

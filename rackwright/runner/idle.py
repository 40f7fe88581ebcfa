"""Replicas that get no new requests, waited for until they have answered those that they have."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import gevent
from pyinfra.api.inventory import Inventory

from rackwright.errors import HostError
from rackwright.runner.asking import reach
from rackwright.runner.fleet import FleetRun
from rackwright.runner.named_replicas import ranks_of
from rackwright.runner.steps.rank import Rank
from rackwright.runner.turns_at_gateways import states_at_gateways

POLL_S = 1.0


def await_idle(
    fleet: FleetRun, inventory: Inventory, names: Sequence[str], say: Callable[[str], None]
) -> None:
    """Wait until nobody waits for an answer of these replicas, by gateways and engines.

    Raises HostError where some have not ended in ``drain_timeout_s``.
    """
    server = ranks_of(fleet.plan, names[0])[0].server.name
    limit_s = fleet.settings(server).drain_timeout_s
    started = time.monotonic()
    told: dict[str, int] = {}
    while left := _in_flight(fleet, inventory, names):
        elapsed_s = time.monotonic() - started
        if elapsed_s > limit_s:
            raise HostError(f"not ended in {limit_s} s: {_counts(left)}; drained they stay")
        if left != told:
            say(f"in flight: {_counts(left)} ({elapsed_s:.0f} s)")
            told = left
        gevent.sleep(POLL_S)
    say(f"idle after {time.monotonic() - started:.0f} s")


def _counts(left: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in left.items())


def _in_flight(fleet: FleetRun, inventory: Inventory, names: Sequence[str]) -> dict[str, int]:
    """By replica, what has not ended; of gateways and engine the larger number."""
    states = states_at_gateways(fleet, inventory).values()
    found = {}
    for name in names:
        of_gateways = sum(each[name].in_flight for each in states if name in each)
        found[name] = max(of_gateways, _running(fleet, inventory, name))
    return {name: count for name, count in found.items() if count}


def _running(fleet: FleetRun, inventory: Inventory, name: str) -> int:
    """As the engine counts them, which may have more; 0 where its server does not say."""
    replica = ranks_of(fleet.plan, name)[0]
    server = replica.server.name
    try:
        rank = Rank(reach(inventory, server), replica, fleet.settings(server), ())
        return rank.running() or 0
    except HostError:
        return 0

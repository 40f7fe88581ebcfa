"""The engines' key while it is changed: which one each replica has, so that it is sent that one."""

from __future__ import annotations

from collections.abc import Iterable

from pyinfra.api.inventory import Inventory

from rackwright.desired.gateway_keys import KeyFiles
from rackwright.engines import ENGINES
from rackwright.plan import Replica
from rackwright.runner.fleet import FleetRun
from rackwright.runner.secrets import engine_key_id


def with_engine_keys(
    keys: KeyFiles, known: Iterable[str], fleet: FleetRun, inventory: Inventory, gateway: str
) -> KeyFiles:
    """``keys`` with each replica's; a key of before stays where a replica has that.

    ``known`` are the ids of the keys that the gateway has: servers are asked only where one of
    them is not the planned.
    """
    planned = engine_key_id(fleet.settings(gateway))
    others = {one for one in known if isinstance(one, str)} - {planned}
    answering = [replica for replica in fleet.plan.replicas if replica.answers]
    if not others:
        return keys._replace(of_replicas={one.name: planned for one in answering})
    found = {one.name: _key_id(one, fleet, inventory, planned) for one in answering}
    if not others & set(found.values()):
        return keys._replace(of_replicas=found)
    return keys._replace(own=None, of_replicas=found)


def _key_id(replica: Replica, fleet: FleetRun, inventory: Inventory, planned: str) -> str:
    """The planned one's of a server that says nothing: a dead one holds up no change of others."""
    if not ENGINES[replica.service.engine].key_variable:
        return planned
    from rackwright.runner.asking import reach  # all of rollouts: keys change rarely
    from rackwright.runner.steps.marks import TROUBLE
    from rackwright.runner.steps.rank import Rank

    settings = fleet.settings(replica.server.name)
    try:
        return Rank(reach(inventory, replica.server.name), replica, settings, ()).key_id()
    except TROUBLE:
        return planned

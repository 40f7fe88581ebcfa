"""What a deploy renders for each host, whole."""

from __future__ import annotations

import json
from collections.abc import Iterator

from benchmarks.host_items import host_items
from rackwright.checks.server.healthy import h200
from rackwright.desired.engines import engines_of, release_request
from rackwright.desired.firewall import ruleset
from rackwright.desired.items import Change, Item, payload, query
from rackwright.planning.firewall import firewall_of
from rackwright.runner.fleet import FleetRun


def rendered(fleet: FleetRun) -> dict[str, int]:
    """Bytes of all that is sent to each host which has nothing yet, questions included."""
    return {name: sum(map(len, _texts(fleet, name))) for name in fleet.spec.settings}


def items_of(fleet: FleetRun, name: str) -> list[Item]:
    """Every item of one simulated host."""
    server = fleet.spec.servers.get(name)
    seen = [h200(index) for index in range(server.gpus.count if server else 0)]
    gpus = [{**gpu, "uuid": f"GPU-{name}-{gpu['index']}"} for gpu in seen]
    return host_items(fleet, name, gpus)


def _texts(fleet: FleetRun, name: str) -> Iterator[str]:
    items = items_of(fleet, name)
    yield json.dumps(query(items))
    yield json.dumps(payload([Change(item, "missing", {}) for item in items]))
    if firewall := firewall_of(name, fleet.spec, fleet.plan):
        yield ruleset(firewall.table({}, (22,)))
    request = release_request(engines_of(fleet.plan.on(name)), fleet.settings(name))
    yield json.dumps(request)

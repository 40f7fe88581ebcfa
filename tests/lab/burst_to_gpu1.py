"""Prints the balance check of gpu1's replica as JSON, and the burst it is about.

The lab's engine uses no GPU, so no burst is sent to it; here one is, all the same. A program of its
own, because pyinfra patches the process that loads an inventory.
"""

from __future__ import annotations

import json
from dataclasses import asdict

from rackwright.checks.planned import PlannedReplica
from rackwright.checks.replica import balance
from rackwright.runner import observing
from rackwright.runner.asking import ask_all
from rackwright.runner.fleet import fleet_of
from rackwright.runner.inventory import load_inventory
from rackwright.runner.planned import planned

observing.is_loaded = lambda *_: True  # type: ignore[attr-defined]
inventory = load_inventory("inventories/lab.py")
fleet = fleet_of(inventory)
seen = ask_all(inventory, lambda _: observing.observe(fleet))["gpu1"]
(replica,) = (one for one in planned(fleet, ["gpu1"]) if isinstance(one, PlannedReplica))
of_replica = seen["replicas"][replica.name]
print(json.dumps({**asdict(balance.CHECK.ask(replica, of_replica)), "burst": of_replica["burst"]}))

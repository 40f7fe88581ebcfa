"""`python -m benchmarks.converge.desired FOLDER` writes what each host must have, for other tools.

It is made of what this project's own functions say, so that all tools do the same; only the GPUs
are asked of the hosts, as a deploy asks them.
"""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.converge.all_items import items_of
from benchmarks.converge.plain_state import plain, write
from rackwright.desired.engines import engines_of, release_request
from rackwright.runner.asking import ask_all
from rackwright.runner.fleet import fleet_of
from rackwright.runner.inventory import load_inventory
from rackwright.runner.probing import probe

INVENTORY = Path(__file__).with_name("hosts_rackwright.py")


def main(folder: Path) -> None:
    """Ask, and write."""
    inventory = load_inventory(str(INVENTORY))
    fleet = fleet_of(inventory)
    seen = ask_all(inventory, probe)
    contents = folder / "contents"
    contents.mkdir(parents=True, exist_ok=True)
    states = {}
    for name in fleet.spec.settings:
        assert "error" not in seen[name], seen[name]
        items = items_of(fleet, name, seen[name]["gpus"])
        engines, settings = engines_of(fleet.plan.on(name)), fleet.settings(name)
        states[name] = plain(items, release_request(engines, settings), contents)
    write(folder, states)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

"""pyinfra's inventory without a run: the same file, the same group data, no connection.

`python -m rackwright.runner.inventory INVENTORY` prints each host's merged data as JSON, for
programs that must not load pyinfra themselves (it changes Python's sockets as it is imported).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from pyinfra.api.inventory import Inventory
from pyinfra.api.state import State
from pyinfra.context import ctx_state
from pyinfra_cli.inventory import make_inventory

from rackwright.errors import InputError, RackwrightError


def load_inventory(path: str) -> Inventory:
    """Load an inventory as `pyinfra` run from this folder would.

    Raises InputError with the fault and its place when the file cannot be executed.
    """
    state = State()
    state.cwd = str(Path.cwd())
    if state.cwd not in sys.path:  # an inventory may import what lies in this folder
        sys.path.append(state.cwd)
    with ctx_state.use(state):
        try:
            inventory: Inventory = make_inventory(path, cwd=state.cwd)
        except (
            Exception,
            SystemExit,
        ) as error:  # the file is the operator's code: anything can come out
            cause = getattr(error, "exception", error)
            raise InputError(f"{path}: {type(cause).__name__}: {cause}") from None
    return inventory


def main(path: str) -> None:
    """Print the hosts of an inventory and their data; exits with the fault of the file."""
    try:
        hosts = {host.name: host.data.dict() for host in load_inventory(path)}
    except RackwrightError as error:
        sys.exit(f"Error: {error}")
    print(json.dumps(hosts, default=str))


if __name__ == "__main__":
    main(sys.argv[1])

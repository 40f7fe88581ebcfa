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
from pyinfra_cli.exceptions import UnexpectedExternalError
from pyinfra_cli.inventory import make_inventory

from rackwright.errors import InputError, SpecError
from rackwright.exits import USAGE, exits, say
from rackwright.runner.host_data import host_data
from rackwright.runner.inventory_file import InventoryFile, remember


def load_inventory(path: str) -> Inventory:
    """Load an inventory as `pyinfra` run from this folder would.

    Raises InputError with the fault and its place when the file cannot be executed, SpecError where
    its groups are not made of hosts.
    """
    if not Path(path).is_file():
        raise InputError(f"{path}: is no regular file")
    state = State()
    try:
        state.cwd = str(Path.cwd())
    except OSError as error:
        raise InputError(f"the folder this runs from is gone: {error}") from None
    if state.cwd not in sys.path:  # an inventory may import what lies in this folder
        sys.path.append(state.cwd)
    with ctx_state.use(state):
        try:
            return _loaded(path, state.cwd)
        except (InputError, KeyboardInterrupt):
            raise
        except BaseException as error:  # the file is the operator's code: anything can come out
            raise InputError(_words(path, error)) from None


def _loaded(path: str, folder: str) -> Inventory:
    file = InventoryFile.read(path, folder)
    if faults := list(file.malformed()):
        raise SpecError(faults)
    if other := next(file.unreadable(), None):
        raise InputError(f"{other}: is no regular file")
    inventory: Inventory = make_inventory(path, cwd=folder)
    remember(inventory, file)
    return inventory


def _words(path: str, error: BaseException) -> str:
    """What the file ended with, and which file it was: group data is executed with it."""
    if isinstance(error, UnexpectedExternalError):  # pyinfra's, around that of the file
        return _words(error.filename, error.exception)
    try:
        return f"{path}: {type(error).__name__}: {error}"
    except Exception:  # its words are the operator's code too
        return f"{path}: {type(error).__name__}"


def main(path: str) -> None:
    """Print the hosts of an inventory and their data. Raises InputError where it is no JSON."""
    try:
        text = json.dumps(host_data(load_inventory(path)), default=str)
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: its data cannot be written as JSON: {error}") from None
    print(text)


if __name__ == "__main__":
    with exits():
        if len(sys.argv) != 2:
            raise SystemExit(say(f"usage: python -m {__spec__.name} INVENTORY", USAGE))
        main(sys.argv[1])

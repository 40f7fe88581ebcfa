"""The clients of an inventory, read from beside it."""

from __future__ import annotations

from pyinfra.api.inventory import Inventory

from rackwright.clients import Clients
from rackwright.clients.changes import unknown_models
from rackwright.clients.keys_file import keys_path, read_clients
from rackwright.errors import Fault, SpecError
from rackwright.runner.inventory_file import path_of
from rackwright.spec import FleetSpec


def clients_of(inventory: Inventory, spec: FleetSpec) -> Clients:
    """The clients of an inventory; none where it was made of no file.

    Raises SpecError with every fault of their file, models that nobody serves among them.
    """
    file = path_of(inventory)
    if file is None:
        return {}
    path = keys_path(file)
    clients = read_clients(path)
    faults = [
        Fault(f"clients[{name}].models", rule, model)
        for name, client in clients.items()
        for model, rule in unknown_models(client.models or (), spec)
    ]
    if faults:
        raise SpecError(faults, f"in {path}; no host was touched")
    return clients

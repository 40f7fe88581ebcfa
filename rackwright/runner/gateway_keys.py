"""The clients of an inventory: read from beside it, and put on its gateways."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from pyinfra.api.host import Host
from pyinfra.api.inventory import Inventory

from rackwright.clients import Clients
from rackwright.clients.changes import unknown_models
from rackwright.clients.keys_file import keys_path, read_clients
from rackwright.desired.gateway_keys import keys_file
from rackwright.desired.items import Change
from rackwright.desired.items import payload as payload_of
from rackwright.errors import Fault, HostError, SpecError
from rackwright.runner.asking import Answer, ask_all
from rackwright.runner.inventory_file import path_of
from rackwright.runner.remote_call import call
from rackwright.spec import FleetSpec

TIMEOUT_S = 120


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


def put_keys(inventory: Inventory, clients: Clients, only: Collection[str]) -> dict[str, Answer]:
    """Have these gateways know the clients' keys from now on: no connection of theirs ends.

    By name; ``{"error": why}`` of one that does not have them.
    """
    return _asked(inventory, "put", clients, only)


def known_keys(inventory: Inventory, only: Collection[str]) -> dict[str, Answer]:
    """``known``: digests of the keys that each gateway has; ``{"error": why}`` without an answer."""
    return _asked(inventory, "look", {}, only)


def _asked(
    inventory: Inventory, verb: str, clients: Clients, only: Collection[str]
) -> dict[str, Answer]:
    (item,) = payload_of([Change(keys_file(clients), "", {})])

    def question(host: Host) -> Answer:
        request = {"do": verb, "item": item}
        said: Answer = call(host, "gateway_keys", request, timeout_s=TIMEOUT_S, kind=dict)
        if "error" in said:
            raise HostError(str(said["error"]))
        return said

    return ask_all(inventory, question, only=only)

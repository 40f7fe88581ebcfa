"""Clients' keys put on gateways, and asked for there."""

from __future__ import annotations

from collections.abc import Collection

from pyinfra.api.host import Host
from pyinfra.api.inventory import Inventory

from rackwright.clients import Clients
from rackwright.desired.gateway_keys import keys_file
from rackwright.desired.items import Change
from rackwright.desired.items import payload as payload_of
from rackwright.errors import HostError
from rackwright.runner.asking import Answer, ask_all
from rackwright.runner.remote_call import call

TIMEOUT_S = 120


def put_keys(inventory: Inventory, clients: Clients, only: Collection[str]) -> dict[str, Answer]:
    """Have these gateways know the clients' keys from now on: no connection of theirs ends.

    By name; ``{"error": why}`` of one that does not have them.
    """
    return _asked(inventory, "put", clients, only)


def known_keys(inventory: Inventory, only: Collection[str]) -> dict[str, Answer]:
    """``known``: digests of the keys that each gateway has; ``{"error": why}`` of a silent one."""
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

"""Clients changed: in their file first, then on the gateways, by one run at a time."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple

from pyinfra.api.inventory import Inventory

from rackwright.clients import Client, Clients
from rackwright.clients.changes import unknown_models
from rackwright.clients.keys_file import alone, file_text, keys_path, read_clients, written
from rackwright.errors import Fault, InputError, SpecError
from rackwright.exits import tell
from rackwright.runner.fleet import FleetRun, fleet_of
from rackwright.runner.gateway_keys import put_keys
from rackwright.runner.gateway_state import gateways_of, heard, must_have_answered
from rackwright.runner.inventory import load_inventory
from rackwright.schema.validation import parse

REMEDY = "the next deploy has them know the keys, and so has `rackwright keys INVENTORY apply`"
Change = Callable[[Clients], tuple[Clients, str]]
"""Clients before to those after, and what is to be said of it."""


class Declared(NamedTuple):
    """An inventory by its path, its hosts, and its fleet."""

    path: Path
    hosts: Inventory
    fleet: FleetRun

    @classmethod
    def of(cls, path: str) -> Declared:
        """Raises SpecError or PlanError with every fault of the inventory.

        What its file prints is no key, so it does not go where a key goes.
        """
        with redirect_stdout(sys.stderr):
            hosts = load_inventory(path)
            return cls(Path(path), hosts, fleet_of(hosts))

    @property
    def file(self) -> Path:
        """Where its clients are."""
        return keys_path(self.path)

    def client(self, asked: dict[str, Any]) -> Client:
        """A client as the command line has it. Raises SpecError with all that is wrong with it."""
        faults: list[Fault] = []
        client = parse(Client, asked, "client", faults)
        unknown = unknown_models(asked["models"] or (), self.fleet.spec)
        faults.extend(Fault("client.models", rule, model) for model, rule in unknown)
        if client is None or faults:
            raise SpecError(faults, "on the command line; nothing was changed")
        return client


def change_clients(declared: Declared, change: Change, on_gateways: bool, key: str = "") -> None:
    """Change the file, and then the gateways, while no other run does.

    A ``key`` is printed before it is good anywhere: one that could not be printed is in no file.
    Raises HostError where a gateway does not know of it in the end, and what the change raises.
    """
    if on_gateways:
        gateways_of(declared.fleet)
    with alone(declared.file, _waits):
        after, said = change(read_clients(declared.file))
        with written(declared.file, file_text(after, declared.path)):
            if key:
                _hand_over(key)
        tell(f"{said} ({declared.file})", err=True)
        if on_gateways:
            _apply(declared, after)


def _hand_over(key: str) -> None:
    try:
        tell(key)
    except BrokenPipeError:
        raise  # who read it has gone, and is told nothing
    except OSError as error:
        raise InputError(
            f"the key cannot be printed ({error.strerror}): no client has it"
        ) from None


def apply_clients(declared: Declared) -> None:
    """Have the gateways know the file as it is. Raises HostError where one does not."""
    with alone(declared.file, _waits):
        _apply(declared, read_clients(declared.file))


def _apply(declared: Declared, clients: Clients) -> None:
    answers = put_keys(declared.hosts, clients, gateways_of(declared.fleet))
    for name in heard(answers):
        tell(f"{name}: knows the keys as they are now", err=True)
    must_have_answered(answers, REMEDY)


def _waits() -> None:
    tell("another run of `rackwright keys` is at work here: waiting for it", err=True)

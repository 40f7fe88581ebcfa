"""`rackwright keys`: clients' keys made, listed, replaced and taken back, here and on gateways."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, get_args

import click
from pyinfra.api.inventory import Inventory

from rackwright.clients import Client, ClientKey, Clients, digest, new_key
from rackwright.clients.changes import added, client_of, lasting, revoked, rotated, unknown_models
from rackwright.clients.client import Class
from rackwright.clients.keys_file import alone, file_text, keys_path, read_clients, written
from rackwright.clients.times import span, until
from rackwright.clients.times import written as in_words
from rackwright.errors import Fault, SpecError
from rackwright.exits import tell
from rackwright.report.clients import clients_text
from rackwright.runner.fleet import FleetRun, fleet_of
from rackwright.runner.gateway_keys import known_keys, put_keys
from rackwright.runner.gateway_state import gateways_of, must_have_answered, silent
from rackwright.runner.inventory import load_inventory
from rackwright.schema.fields import MOST, split_names
from rackwright.schema.validation import parse

REMEDY = "the next deploy has them know the keys, and so has `rackwright keys INVENTORY apply`"
Change = Callable[[Clients], tuple[Clients, str]]
"""Clients before to those after, and what is to be said of it."""


class _Time(click.ParamType):
    """A text that is read as a time, by a function that raises ValueError."""

    name = "time"

    def __init__(self, read: Callable[[str], Any]) -> None:
        self._read = read

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """As click has it."""
        try:
            return self._read(value) if isinstance(value, str) else value
        except ValueError as error:
            self.fail(str(error), param, ctx)


LIMIT = click.IntRange(1, MOST)
NO_APPLY = click.option("--no-apply", is_flag=True, help="Change the file alone, no gateway.")
EXPIRES = click.option(
    "--expires",
    type=_Time(lambda text: until(text, _now())),
    help="So long from now (90d), or with the end of a day (2026-12-31, UTC).",
)


@click.group(short_help="Clients' keys and limits")
@click.argument("inventory", type=click.Path(exists=True, dir_okay=False))
@click.pass_context
def keys(ctx: click.Context, inventory: str) -> None:
    """Who may come in by the gateways of INVENTORY, which have each change at once.

    Kept in a file beside it (prod.keys.yaml of prod.py): limits, and digests of the keys.
    """
    ctx.obj = inventory


@keys.command(name="list", short_help="Clients, their limits and keys")
@click.option("--live", is_flag=True, help="Ask the gateways which keys they know.")
@click.pass_obj
def list_keys(inventory: str, live: bool) -> None:
    """Print a line a key, by the first digits of its digest."""
    clients = read_clients(keys_path(Path(inventory)))
    if not live:
        tell(clients_text(clients, _now()))
        return
    hosts, fleet = _loaded(inventory)
    answers = known_keys(hosts, gateways_of(fleet))
    missing = silent(answers)
    known = {name: said["known"] for name, said in answers.items() if name not in missing}
    tell(clients_text(clients, _now(), known))
    must_have_answered(answers)


@keys.command(short_help="A new client and its key")
@click.argument("client")
@click.option("--models", help="A comma list of models and services; all where it is left out.")
@click.option("--class", "class_", type=click.Choice(get_args(Class)), default="interactive")
@click.option("--requests-a-minute", type=LIMIT)
@click.option("--tokens-a-minute", type=LIMIT)
@click.option("--in-flight", type=LIMIT, help="Requests at once.")
@click.option("--tokens-a-month", type=LIMIT)
@EXPIRES
@NO_APPLY
@click.pass_obj
def add(
    inventory: str,
    client: str,
    models: str | None,
    expires: datetime | None,
    no_apply: bool,
    **limits: Any,
) -> None:
    """Make a key for a new CLIENT and print it, this once: nothing else is on standard output.

    What is given no limit has none. Each gateway counts for itself.
    """
    key, entry = _made(expires)
    hosts, fleet = _loaded(inventory)
    asked = {
        "name": client,
        "models": None if models is None else split_names(models),
        "keys": [entry],
        **limits,
    }
    new = _checked(asked, fleet)
    said = f"{client}: key {entry.id}, expires {_end(entry)}"
    _change(inventory, hosts, fleet, lambda all_: (added(all_, new), said), no_apply, key)


@keys.command(short_help="A new key beside the old")
@click.argument("client")
@click.option(
    "--keep",
    type=_Time(span),
    default="24h",
    show_default=True,
    help="How long the old keys are still good: 0m, 24h, 7d.",
)
@EXPIRES
@NO_APPLY
@click.pass_obj
def rotate(
    inventory: str, client: str, keep: timedelta, expires: datetime | None, no_apply: bool
) -> None:
    """Make another key for CLIENT and print it, this once; the old ones expire after --keep.

    Both are good meanwhile, and count together. The new one expires when the old would have.
    """
    key, entry = _made(expires)
    hosts, fleet = _loaded(inventory)

    def change(clients: Clients) -> tuple[Clients, str]:
        end = expires or lasting(client_of(clients, client), entry.made)
        new = entry.model_copy(update={"expires": end})
        after = rotated(clients, client, new, keep)
        old = in_words(entry.made + keep)
        return after, f"{client}: key {new.id}, expires {_end(new)}; older keys expire {old}"

    _change(inventory, hosts, fleet, change, no_apply, key)


@keys.command(short_help="Take back a client's keys")
@click.argument("client")
@click.option("--key", "key_id", help="One key alone, by the first digits that `list` shows.")
@NO_APPLY
@click.pass_obj
def revoke(inventory: str, client: str, key_id: str | None, no_apply: bool) -> None:
    """Let CLIENT in no more, from its next request on; what it is being answered goes on.

    Its limits go with its last key.
    """
    hosts, fleet = _loaded(inventory)
    said = f"{client}: {f'key {key_id}' if key_id else 'every key'} is revoked"
    _change(inventory, hosts, fleet, lambda all_: (revoked(all_, client, key_id), said), no_apply)


@keys.command(short_help="Put the keys on the gateways again")
@click.pass_obj
def apply(inventory: str) -> None:
    """Have the gateways know the file as it is: after a change by hand, or one that missed one."""
    hosts, fleet = _loaded(inventory)
    path = keys_path(Path(inventory))
    with alone(path, _waits):
        _apply(hosts, fleet, read_clients(path))


def _loaded(inventory: str) -> tuple[Inventory, FleetRun]:
    """The inventory and its fleet. What its file prints is no key, so it is not for ``> file``."""
    with redirect_stdout(sys.stderr):
        hosts = load_inventory(inventory)
        return hosts, fleet_of(hosts)


def _made(expires: datetime | None) -> tuple[str, ClientKey]:
    key = new_key()
    return key, ClientKey(sha256=digest(key), made=_now(), expires=expires)


def _checked(asked: dict[str, Any], fleet: FleetRun) -> Client:
    """Raises SpecError with all that is wrong with a client's name and models."""
    faults: list[Fault] = []
    client = parse(Client, asked, "client", faults)
    unknown = unknown_models(asked["models"] or (), fleet.spec)
    faults.extend(Fault("client.models", rule, model) for model, rule in unknown)
    if client is None or faults:
        raise SpecError(faults, "on the command line; nothing was changed")
    return client


def _change(
    inventory: str,
    hosts: Inventory,
    fleet: FleetRun,
    change: Change,
    no_apply: bool,
    key: str | None = None,
) -> None:
    """Change the file, then the gateways, while no other run does.

    A ``key`` is printed before it is good anywhere: one that could not be printed is in no file.
    """
    if not no_apply:
        gateways_of(fleet)
    path = keys_path(Path(inventory))
    with alone(path, _waits):
        after, said = change(read_clients(path))
        with written(path, file_text(after, Path(inventory))):
            if key is not None:
                tell(key)
        tell(f"{said} ({path})", err=True)
        if not no_apply:
            _apply(hosts, fleet, after)


def _apply(hosts: Inventory, fleet: FleetRun, clients: Clients) -> None:
    answers = put_keys(hosts, clients, gateways_of(fleet))
    for name in answers.keys() - silent(answers).keys():
        tell(f"{name}: knows the keys as they are now", err=True)
    must_have_answered(answers, REMEDY)


def _waits() -> None:
    tell("another run of `rackwright keys` is at work here: waiting for it", err=True)


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def _end(key: ClientKey) -> str:
    return in_words(key.expires) if key.expires else "never"

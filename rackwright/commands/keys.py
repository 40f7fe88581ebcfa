"""`rackwright keys`: clients' keys made, listed, replaced and taken back, here and on gateways."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, get_args

import click

from rackwright.clients import ClientKey, Clients, digest, new_key
from rackwright.clients.changes import added, client_of, lasting, revoked, rotated
from rackwright.clients.client import Class
from rackwright.clients.keys_file import keys_path, read_clients
from rackwright.clients.times import span, until
from rackwright.clients.times import written as in_words
from rackwright.exits import tell
from rackwright.report.clients import clients_text
from rackwright.runner.gateway_keys import known_keys
from rackwright.runner.gateway_state import gateways_of, heard, must_have_answered
from rackwright.runner.key_changes import Declared, apply_clients, change_clients
from rackwright.schema.fields import MOST, split_names


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def _read(read: Callable[[str], Any]) -> Callable[..., Any]:
    """An option's text by a function that raises ValueError for what it cannot read."""

    def callback(ctx: click.Context, param: click.Parameter, text: str | None) -> Any:
        try:
            return None if text is None else read(text)
        except ValueError as error:
            raise click.BadParameter(str(error)) from None

    return callback


LIMIT = click.IntRange(1, MOST)
NO_APPLY = click.option("--no-apply", is_flag=True, help="Change the file alone, no gateway.")
EXPIRES = click.option(
    "--expires",
    callback=_read(lambda text: until(text, _now())),
    help="So long from now (90d), or with the end of a day (2026-12-31, UTC).",
)
MODELS = click.option(
    "--models",
    callback=_read(split_names),
    help="A comma list of models or services; all of them where it is left out.",
)
KEEP = click.option(
    "--keep",
    callback=_read(span),
    default="24h",
    show_default=True,
    help="How long the old keys are still good: 0m, 24h, 7d.",
)


@click.group(short_help="Clients' keys and limits")
@click.argument("inventory", type=click.Path(exists=True, dir_okay=False))
@click.pass_context
def keys(ctx: click.Context, inventory: str) -> None:
    """Who may come in by the gateways of INVENTORY, which hear of each change at once.

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
    declared = Declared.of(inventory)
    answers = known_keys(declared.hosts, gateways_of(declared.fleet))
    known = {name: answers[name]["known"] for name in heard(answers)}
    tell(clients_text(clients, _now(), known))
    must_have_answered(answers)


@keys.command(short_help="A new client and its key")
@click.argument("client")
@MODELS
@click.option("--class", "class_", type=click.Choice(get_args(Class)), default="interactive")
@click.option("--requests-a-minute", type=LIMIT)
@click.option("--tokens-a-minute", type=LIMIT)
@click.option("--in-flight", type=LIMIT, help="Requests at once.")
@click.option("--tokens-a-month", type=LIMIT)
@EXPIRES
@NO_APPLY
@click.pass_obj
def add(
    inventory: str, /, client: str, expires: datetime | None, no_apply: bool, **limits: Any
) -> None:
    """Make a key for a new CLIENT and print it, this once: nothing else is on standard output.

    What is given no limit has none. Each gateway counts for itself.
    """
    declared, (key, entry) = Declared.of(inventory), _made(expires)
    new = declared.client({"name": client, "keys": [entry], **limits})
    said = f"{client}: key {entry.id}, expires {_end(entry)}"
    change_clients(declared, lambda present: (added(present, new), said), not no_apply, key)


@keys.command(short_help="A new key beside the old")
@click.argument("client")
@KEEP
@EXPIRES
@NO_APPLY
@click.pass_obj
def rotate(
    inventory: str, client: str, keep: timedelta, expires: datetime | None, no_apply: bool
) -> None:
    """Make another key for CLIENT and print it, this once; the old ones expire after --keep.

    Both are good meanwhile, and count together. The new one expires when the old would have.
    """
    declared, (key, entry) = Declared.of(inventory), _made(expires)

    def change(clients: Clients) -> tuple[Clients, str]:
        end = expires or lasting(client_of(clients, client), entry.made)
        new = entry.model_copy(update={"expires": end})
        old = f"older keys expire {in_words(entry.made + keep)}"
        said = f"{client}: key {new.id}, expires {_end(new)}; {old}"
        return rotated(clients, client, new, keep), said

    change_clients(declared, change, not no_apply, key)


@keys.command(short_help="Take back a client's keys")
@click.argument("client")
@click.option("--key", "key_id", help="One key alone, by the first digits that `list` shows.")
@NO_APPLY
@click.pass_obj
def revoke(inventory: str, client: str, key_id: str | None, no_apply: bool) -> None:
    """Let CLIENT in no more, from its next request on; what it is being answered goes on.

    Its limits go with its last key.
    """
    said = f"{client}: {'every key' if key_id is None else f'key {key_id}'} is revoked"
    change_clients(
        Declared.of(inventory),
        lambda present: (revoked(present, client, key_id), said),
        not no_apply,
    )


@keys.command(short_help="Put the keys on the gateways again")
@click.pass_obj
def apply(inventory: str) -> None:
    """Have the gateways know the file as it is: after a change by hand, or one that missed one."""
    apply_clients(Declared.of(inventory))


def _made(expires: datetime | None) -> tuple[str, ClientKey]:
    """A new key, and what is kept of it."""
    key = new_key()
    return key, ClientKey(sha256=digest(key), made=_now(), expires=expires)


def _end(key: ClientKey) -> str:
    return in_words(key.expires) if key.expires else "never"

"""What `rackwright keys` does to the clients: values in, values out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from rackwright.clients.client import Client, ClientKey, Clients
from rackwright.errors import RefusedError, nearest
from rackwright.spec import FleetSpec

REMEMBERED = timedelta(days=30)
"""How long a client whose key has expired is told so, rather than that nobody knows it."""


def added(clients: Clients, client: Client) -> Clients:
    """With a new client. Raises RefusedError where there is one of that name."""
    if client.name in clients:
        raise RefusedError(f"client {client.name!r} has a key already: `rotate` makes another")
    return {**clients, client.name: client}


def rotated(clients: Clients, name: str, key: ClientKey, keep: timedelta) -> Clients:
    """With a new key of a client, whose other keys expire ``keep`` after that was made, or before.

    Raises RefusedError for a client that is not there.
    """
    client, end = client_of(clients, name), key.made + keep
    kept = [
        one.model_copy(update={"expires": min(one.expires or end, end)})
        for one in client.keys
        if not one.is_over(key.made - REMEMBERED)
    ]
    return {**clients, name: client.model_copy(update={"keys": (*kept, key)})}


def lasting(client: Client, now: datetime) -> datetime | None:
    """When a further key of a client is to expire: with the last that it has, None for never.

    Raises RefusedError where all have expired.
    """
    ends = [key.expires for key in client.keys if not key.is_over(now)]
    if not ends:
        raise RefusedError(f"all keys of client {client.name!r} have expired: say --expires")
    lasts = [end for end in ends if end is not None]
    return max(lasts) if len(lasts) == len(ends) else None


def revoked(clients: Clients, name: str, key_id: str | None = None) -> Clients:
    """Without a client, or without one key of it; without the client where that was the last.

    ``key_id`` are the first digits of the key's digest. Raises RefusedError for what is not there.
    """
    client = client_of(clients, name)
    kept = () if key_id is None else _without(client, key_id.lower())
    others = {other: each for other, each in clients.items() if other != name}
    return {**others, name: client.model_copy(update={"keys": kept})} if kept else others


def client_of(clients: Clients, name: str) -> Client:
    """A client. Raises RefusedError for one that is not there, with the nearest name."""
    if name not in clients:
        raise RefusedError(f"client {name!r} {nearest(name, clients)}")
    return clients[name]


def _without(client: Client, key_id: str) -> tuple[ClientKey, ...]:
    meant = [key for key in client.keys if key_id and key.sha256.startswith(key_id)]
    if len(meant) != 1:
        known = ", ".join(key.id for key in client.keys)
        which = "is none of" if not meant else "is more than one of"
        raise RefusedError(f"key {key_id!r} {which} client {client.name!r}: {known}")
    return tuple(key for key in client.keys if key is not meant[0])


def unknown_models(models: Sequence[str], spec: FleetSpec) -> Iterator[tuple[str, str]]:
    """Of names of models, those that no service has, each with what is wrong with it."""
    known = {name for one in spec.services.values() for name in (one.name, *one.asked_as)}
    for model in models:
        if model not in known:
            yield model, nearest(model, known, "model")

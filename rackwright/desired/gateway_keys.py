"""What a gateway knows of keys: those of its clients by digest, and its own as they are."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from rackwright.clients import Clients
from rackwright.clients.document import keys_json
from rackwright.desired.gateway_places import KEYS, NGINX, SECRETS
from rackwright.desired.items import File


class KeyFiles(NamedTuple):
    """What a gateway has of keys: its clients', and its own, which are secret.

    ``own`` is None where they stay as they are: some replica has an engines' key of before.
    ``of_replicas`` says by its id which each replica has, by name.
    """

    clients: File
    own: File | None
    of_replicas: Mapping[str, str] = MappingProxyType({})


def keys_file(clients: Clients) -> File:
    """Of the clients: Nginx's workers read it, again whenever they are told to."""
    return File(KEYS, keys_json(clients), mode=0o640, group=NGINX)


def secrets_file(engine: str, overflow: Mapping[str, str]) -> File:
    """What the gateway sends itself: the engines' key, and those of outside APIs by service.

    Only Nginx's master, which is root, reads it, and only when it loads its configuration. An empty
    key is none.
    """
    keys = {service: key for service, key in sorted(overflow.items()) if key}
    content = json.dumps({"engine": engine or None, "overflow": keys}, indent=1)
    return File(SECRETS, f"{content}\n".encode(), mode=0o600, secret=True)


NO_KEYS = KeyFiles(keys_file({}), secrets_file("", {}))
"""Of a gateway that nobody has a key for."""

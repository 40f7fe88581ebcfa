"""What gateways know of clients: keys.json, as the gateway's Lua reads it."""

from __future__ import annotations

import json
from typing import Any

from rackwright.clients.client import Client, ClientKey, Clients

FORMAT = 1
LIMITS = ("requests_a_minute", "tokens_a_minute", "in_flight", "tokens_a_month")


def keys_json(clients: Clients) -> bytes:
    """The file's content: an entry a key, in an order that does not depend on who wrote them."""
    keys = [_entry(client, key) for _, client in sorted(clients.items()) for key in _keys(client)]
    return f"{json.dumps({'format': FORMAT, 'keys': keys}, indent=1)}\n".encode()


def _keys(client: Client) -> list[ClientKey]:
    return sorted(client.keys, key=lambda key: key.sha256)


def _entry(client: Client, key: ClientKey) -> dict[str, Any]:
    entry = {
        "sha256": key.sha256,
        "client": client.name,
        "models": client.models,
        **{limit: getattr(client, limit) for limit in LIMITS},
        "expires_at": key.expires and round(key.expires.timestamp()),
        "class": client.class_,
    }
    return {name: value for name, value in entry.items() if value is not None}

"""Clients with their keys and limits, as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from rackwright.clients import Client, ClientKey, Clients
from rackwright.clients.times import written
from rackwright.report.table import table_text

HEADINGS = ("CLIENT", "KEY", "EXPIRES", "CLASS", "MODELS", "REQUESTS/MIN", "TOKENS/MIN",
            "IN FLIGHT", "TOKENS/MONTH")  # fmt: skip
NUMBERS = ("REQUESTS/MIN", "TOKENS/MIN", "IN FLIGHT", "TOKENS/MONTH")


def clients_text(
    clients: Clients, now: datetime, known: Mapping[str, Sequence[str]] | None = None
) -> str:
    """A line a key. ``known`` are digests by gateway, for a column of those that have the key."""
    if not clients:
        return "no clients yet: `rackwright keys INVENTORY add CLIENT` makes the first key"
    headings = HEADINGS if known is None else (*HEADINGS, "GATEWAYS")
    rows = [
        (*_row(client, key, now), *(() if known is None else (_having(key, known),)))
        for _, client in sorted(clients.items())
        for key in client.keys
    ]
    return table_text(headings, rows, NUMBERS)


def _row(client: Client, key: ClientKey, now: datetime) -> tuple[object, ...]:
    return (
        client.name,
        key.id,
        _end(key, now),
        client.class_,
        ", ".join(client.models) if client.models else "all",
        client.requests_a_minute,
        client.tokens_a_minute,
        client.in_flight,
        client.tokens_a_month,
    )


def _end(key: ClientKey, now: datetime) -> str:
    if key.expires is None:
        return "never"
    return "expired" if key.is_over(now) else written(key.expires)


def _having(key: ClientKey, known: Mapping[str, Sequence[str]]) -> str:
    return ", ".join(name for name, digests in known.items() if key.sha256 in digests) or "none"

"""What a host has loaded of nftables, compared with the table that it is to have."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from ipaddress import ip_network
from typing import Any

from rackwright.planning.firewall import MOST_KNOWN, Table


def differences(
    table: Table, loaded: Mapping[str, Any] | None, may_have_more: Iterable[str] = ()
) -> Iterator[str]:
    """What of the loaded table is not as planned, in words; sets named last may hold more."""
    if loaded is None:
        yield "no table inet rackwright is loaded"
        return
    if (loaded["policy"], loaded["hooks"]) != (table.policy, ["input"]):
        yield f"policy {loaded['policy']} at {loaded['hooks']}, not {table.policy} at input"
    yield from _rules(table, [tuple(rule) for rule in loaded["rules"]])
    more = tuple(may_have_more)
    for name, elements in table.sets.items():
        planned, there = set(elements), set(map(_same, loaded["sets"].get(name, ())))
        if missing := planned - there:
            yield f"{name} lacks {', '.join(sorted(missing))}"
        if name not in more and (extra := there - planned):
            yield f"{name} has {', '.join(sorted(extra))}, which is not planned"


def _rules(table: Table, loaded: list[tuple[str, str]]) -> Iterator[str]:
    planned = [(rule.name, rule.verdict.partition(" ")[0]) for rule in table.rules]
    if loaded == planned:
        return
    if missing := [name for name, verdict in planned if (name, verdict) not in loaded]:
        yield f"no rule {', '.join(missing)}"
    if extra := [f"{verdict} ({name or 'no comment'})" for name, verdict in loaded
                 if (name, verdict) not in planned]:  # fmt: skip
        yield f"rules that are not planned: {', '.join(extra)}"
    if not missing and not extra:
        yield "rules are in another order, or there twice"


@lru_cache(MOST_KNOWN)
def _same(element: object) -> str:
    """An address or network as the plan writes it; a port as it is."""
    text = str(element)
    if text.isdigit():
        return text
    try:
        network = ip_network(text)
    except ValueError:
        return text
    return str(network.network_address if network.num_addresses == 1 else network)

"""The live state of gateways as tables: services, replicas, clients."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from rackwright.report.table import table_text

States = Mapping[str, Mapping[str, Any]]
"""What each gateway answers to ``GET /state``, by its name."""
_SERVICES = ("GATEWAY", "SERVICE", "REPLICAS IN", "IN FLIGHT", "WAITING", "OVERFLOW",
             "TODAY REQUESTS", "TODAY TOKENS")  # fmt: skip
_REPLICAS = ("GATEWAY", "REPLICA", "STATE", "SINCE", "IN FLIGHT", "WEIGHT", "REQUESTS", "FAILURES",
             "TURN", "WHY")  # fmt: skip
_CLIENTS = ("GATEWAY", "CLIENT", "IN FLIGHT", "TOKENS THIS MONTH")
_NUMBERS = ("REPLICAS IN", "IN FLIGHT", "WAITING", "OVERFLOW", "TODAY REQUESTS", "TODAY TOKENS",
            "WEIGHT", "REQUESTS", "FAILURES", "TOKENS THIS MONTH")  # fmt: skip


def gateway_text(states: States) -> str:
    """A line a service, a replica and a client of each gateway; clients where there are any."""
    tables = [(_SERVICES, list(_services(states))), (_REPLICAS, list(_replicas(states)))]
    if clients := list(_clients(states)):
        tables.append((_CLIENTS, clients))
    return "\n\n".join(table_text(headings, rows, _NUMBERS) for headings, rows in tables)


def _services(states: States) -> Iterator[list[object]]:
    for gateway, state in states.items():
        for name, service in sorted(state["services"].items()):
            every = service["replicas"].values()
            replicas = [one for one in every if one.get("router")] or every
            well = sum(one["state"] == "in" for one in replicas)
            overflow = service.get("overflow") or {}
            today = overflow.get("today") or {}
            yield [
                gateway,
                name,
                f"{well} of {len(replicas)}",
                service["in_flight"],
                service["waiting"],
                overflow.get("in_flight"),
                today.get("requests"),
                today.get("tokens"),
            ]


def replica_words(state: Mapping[str, Any]) -> str:
    """What a gateway says of one replica, behind its name: is in, weight 1, 2 in flight."""
    why = f" ({state['why']})" if state.get("why") else ""
    return f"is {state['state']}{why}, weight {state['weight']:g}, {state['in_flight']} in flight"


def _replicas(states: States) -> Iterator[list[object]]:
    for gateway, state in states.items():
        for _, service in sorted(state["services"].items()):
            for name, one in sorted(service["replicas"].items()):
                yield [
                    gateway,
                    name,
                    one["state"],
                    _moment(one.get("since")),
                    f"{one['in_flight']} / {one['slots']}",
                    f"{one['weight']:g}",
                    one["requests"],
                    one["failures"],
                    _turn(one.get("turn"), state["now"]),
                    _why(one),
                ]


def _clients(states: States) -> Iterator[list[object]]:
    for gateway, state in states.items():
        for name, client in sorted(state["clients"].items()):
            yield [gateway, name, client["in_flight"], client["tokens_this_month"]]


def _turn(turn: Mapping[str, Any] | None, now_unix_s: float) -> str | None:
    """Whose it is, and for how long yet unless its owner renews it."""
    return f"{turn['owner']}, {max(0, turn['until'] - now_unix_s):.0f} s" if turn else None


def _why(replica: Mapping[str, Any]) -> str | None:
    """Why it is out; of one that is in, what its server's watchdog thinks unless that is well."""
    said = replica.get("watchdog")
    told = f"watchdog: {said}" if said not in (None, "well") else None
    return replica.get("why") or told


def _moment(unix_s: float | None) -> str | None:
    if not unix_s:
        return None
    return datetime.fromtimestamp(unix_s, UTC).strftime("%Y-%m-%d %H:%M:%S")

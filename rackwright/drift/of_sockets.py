"""Sockets that listen on a host beside those that the plan has listen there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from ipaddress import ip_address
from typing import Any, NamedTuple

from rackwright.causes.secrets import redacted
from rackwright.drift import kinds
from rackwright.drift.kinds import Drift

Values = Mapping[str, Any]
ANYWHERE: frozenset[str] = frozenset()
NEAR = 1000 + 10 * 42
"""How far above its own port an engine's processes may meet: SGLang's, until it asked the kernel
for one, took one of the next 100 to 1000, and each 42nd after it that was free (its PortArgs)."""
PREFIX = "rackwright-"
"""How the names of our units begin."""


class Door(NamedTuple):
    """A port that is ours. ``units`` may listen at it; none, where nobody should.

    ``addresses`` are where they may; none says anywhere.
    """

    port: int
    units: frozenset[str]
    addresses: frozenset[str] = ANYWHERE


def socket_drifts(
    host: str, doors: Sequence[Door], sockets: Sequence[Values], first_ephemeral: int
) -> Iterator[Drift]:
    """Who listens at one of our ports and should not; and units of ours that do elsewhere.

    Engines' processes meet at ports that the kernel chooses, from ``first_ephemeral`` on, or at
    some a little above their own.
    """
    known = {door.port: door for door in doors}
    own = {unit: door.port for door in doors for unit in door.units}
    for one in sockets:
        unit, door = str(one["unit"] or ""), known.get(one["port"])
        if door is None:
            above = one["port"] - own.get(unit, one["port"])
            stray = unit.startswith(PREFIX) and one["port"] < first_ephemeral
            if stray and not 0 < above <= NEAR and not _is_loopback(one["address"]):
                yield _drift(host, one, None)
        elif unit not in door.units:
            yield _drift(host, one, " or ".join(sorted(door.units)) or None)
        elif door.addresses and not _is_at(one["address"], door.addresses):
            yield _drift(host, one, f"at {', '.join(sorted(door.addresses))} alone")


def _drift(host: str, socket: Values, planned: str | None) -> Drift:
    address = f"[{socket['address']}]" if ":" in socket["address"] else socket["address"]
    who = socket["unit"] or "nobody that is seen"
    command = f" ({redacted(socket['command'])})" if socket["command"] else ""
    pid = f", pid {socket['pid']}" if socket["pid"] else ""
    return Drift(host, kinds.SOCKET, f"{address}:{socket['port']}", f"{who}{pid}{command}", planned)


def _is_at(address: str, planned: frozenset[str]) -> bool:
    there = ip_address(address)
    mapped = getattr(there, "ipv4_mapped", None)
    return str(mapped or there) in planned


def _is_loopback(address: str) -> bool:
    there = ip_address(address)
    mapped = getattr(there, "ipv4_mapped", None)
    return bool((mapped or there).is_loopback)

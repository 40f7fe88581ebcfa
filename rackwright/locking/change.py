"""What two locks differ in, as a value; and who uses what is locked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Sized
from dataclasses import dataclass

from rackwright.locking.pinned import model_keys
from rackwright.locking.pins import Pins
from rackwright.plan import FleetPlan
from rackwright.spec import FleetSpec

MOST_NAMED = 8
"""Packages that are named of those that change; the lock file has all."""


@dataclass(frozen=True)
class Change:
    """One thing that is locked otherwise, or for the first time: what, and what it means."""

    what: str
    means: tuple[str, ...] = ()


@dataclass(frozen=True)
class Uses:
    """Who has what: sentences of what restarts, by key of a release or model.

    ``reboot`` is the setting of that name, by server.
    """

    restarts: Mapping[str, tuple[str, ...]]
    reboot: Mapping[str, str]

    @classmethod
    def of(cls, spec: FleetSpec, plan: FleetPlan, pins: Pins) -> Uses:
        """Of a fleet."""
        hosts: dict[tuple[str, str], list[str]] = {}
        for replica in plan.replicas:
            host = replica.server.name
            used = [
                key for key in pins.hosts[host].releases if _name(key) == replica.service.engine
            ]
            for key in (*used, *model_keys(replica)):
                of_key = hosts.setdefault((key, replica.service.name), [])
                of_key.extend([host] if host not in of_key else [])
        restarts: dict[str, tuple[str, ...]] = {}
        for (key, service), on in hosts.items():
            how = "all at once" if spec.services[service].rollout == "all" else "one after another"
            words = f"replicas of {service} on {', '.join(on)} restart, {how}"
            restarts[key] = (*restarts.get(key, ()), words)
        return cls(restarts, {host: spec.settings[host].reboot for host in spec.servers})


def _name(key: str) -> str:
    return key.partition("/")[0]


def moved(old: Mapping[str, str], new: Mapping[str, str], notable: Sequence[str] = ()) -> list[str]:
    """Changes in words, a name each: ``torch 2.13.0 -> 2.14.0``, then ``+ x 1``, then ``- y 2``.

    Of each kind those that are ``notable`` first, the rest by name.
    """
    rest = sorted({*old, *new} - {*notable})
    names = [*(name for name in notable if name in old or name in new), *rest]
    both = [name for name in names if name in old and name in new and old[name] != new[name]]
    return [
        *(f"{name} {old[name]} -> {new[name]}" for name in both),
        *(f"+ {name} {new[name]}".rstrip() for name in names if name not in old),
        *(f"- {name} {old[name]}".rstrip() for name in names if name not in new),
    ]


def some(words: Iterable[str]) -> str:
    """The first of them in one line, and how many more there are."""
    listed = list(words)
    more = len(listed) - MOST_NAMED
    return ", ".join(listed[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def counted(what: Sized, noun: str) -> str:
    """How many there are: ``1 package``, ``3 packages``."""
    return f"{len(what)} {noun}" + ("" if len(what) == 1 else "s")


def size(count: int) -> str:
    """Bytes as people say them: 3.9 GB."""
    for unit, factor in (("GB", 10**9), ("MB", 10**6)):
        if count >= factor:
            return f"{count / factor:.1f} {unit}"
    return f"{count / 1000:.0f} kB"

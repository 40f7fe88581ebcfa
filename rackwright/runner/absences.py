"""Which services would have no replica in, at which gateway, if some replicas were taken out."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

from rackwright.errors import RefusedError
from rackwright.runner.gateway_leases import ReplicaState

States = Mapping[str, Mapping[str, ReplicaState]]
"""What gateways say of replicas, by the gateway's name and the replica's."""


class Absence(NamedTuple):
    """A service that a gateway could send no requests to; ``others`` are its replicas that stay."""

    service: str
    gateway: str
    others: dict[str, str]

    def __str__(self) -> str:
        """In words, with what the other replicas are."""
        others = ", ".join(f"{name} is {state}" for name, state in self.others.items())
        return (
            f"{self.service} would have no replica in at {self.gateway}"
            f" ({others or 'it has no other'})"
        )


def absences(states: States, names: Collection[str]) -> Iterator[Absence]:
    """Services of which a gateway has one of ``names`` in, and no other.

    Replicas behind a router are in one another's place, and not in that of their router.
    """
    for gateway, replicas in states.items():
        for service in dict.fromkeys(one.service for one in replicas.values()):
            its = {name: one for name, one in replicas.items() if one.service == service}
            for router in {one.router for name, one in its.items() if name in names}:
                beside = {name: one.state for name, one in its.items() if one.router == router}
                others = {name: state for name, state in beside.items() if name not in names}
                loses = any(beside.get(name) == "in" for name in names)
                if loses and "in" not in others.values():
                    yield Absence(service, gateway, others)


def refuse_absence(found: Sequence[Absence]) -> None:
    """Raise RefusedError where a service would be absent; it says what that costs, and the way."""
    if found:
        words = "\n".join(map(str, found))
        raise RefusedError(
            f"{words}\nits requests would wait in line there, then go to its outside API or get "
            "429; --force does it all the same"
        )

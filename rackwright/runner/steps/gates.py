"""The gateways as a step sees them: a replica's turn, its entry in their data, what they count.

They are asked in a running deploy too, where their connections are everybody's; one that was never
deployed knows no replica and is passed over.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pyinfra.api.inventory import Inventory

from rackwright.desired.addresses import ip_of, is_ip, resolved
from rackwright.desired.fleet_data import replica_entries
from rackwright.desired.gateway_places import FLEET, SECRETS, SOCKET
from rackwright.errors import HostError
from rackwright.plan import Replica
from rackwright.planning.beside import BESIDE
from rackwright.routers import ROUTERS
from rackwright.runner.asking import SILENT, reach
from rackwright.runner.fleet import FleetRun
from rackwright.runner.gateway_state import Question, said_by
from rackwright.runner.remote_call import LOOK_UP_S, call
from rackwright.runner.secrets import secret
from rackwright.runner.turns_at_gateways import Turn, TurnWanted, turn_at_gateways

Entry = dict[str, Any]
States = Mapping[str, Mapping[str, Any]]
"""What gateways say, by their names."""


@dataclass(frozen=True)
class Gates:
    """All gateways of a fleet."""

    fleet: FleetRun
    inventory: Inventory

    @contextmanager
    def turn(
        self, wanted: TurnWanted, said: Callable[[str], None], patience_s: float = 0
    ) -> Iterator[Turn]:
        """A replica's turn at all of them, as ``turn_at_gateways``."""
        with turn_at_gateways(self.fleet, self.inventory, wanted, patience_s, said) as turn:
            yield turn

    def states(self) -> dict[str, dict[str, Any]]:
        """What each says of its replicas, by its name; none of one that does not run.

        Raises HostError where one gives no answer.
        """
        answers = ((name, self._state(name)) for name in self.fleet.spec.gateways)
        return {name: said for name, said in answers if said}

    def _state(self, name: str) -> dict[str, Any]:
        said = said_by(reach(self.inventory, name), Question("GET", "/state"))
        return said.body if said and said.status == 200 and isinstance(said.body, dict) else {}

    def learn(self, former: Collection[str] = (), only: str | None = None) -> None:
        """Have all of them know the engines' key of the plan, and ``former`` ones, beside theirs.

        Before a replica has one of them: each is then sent its own. ``only`` one gateway, where it
        is given: it may have Lua yet that knows one key, and is not awaited. Raises HostError.
        """
        for name in [only] if only else self.fleet.spec.gateways:
            planned = secret("key", self.fleet.settings(name).engine_api_key_env).get("key", "")
            if keys := [key for key in dict.fromkeys((planned, *former)) if key]:
                request = {"path": SECRETS, "socket": SOCKET, "keys": keys, "awaited": only is None}
                said = call(
                    reach(self.inventory, name), "engine_keys", request, timeout_s=120, kind=dict
                )
                if error := said.get("error"):
                    raise HostError(f"{name}: {error}")

    def put(self, replica: Replica, before: dict[str, Entry | None], key_id: str) -> None:
        """Have all of them send its requests where it listens by the plan, with its key.

        ``before`` is told what each had, ``key_id`` is of the key that it has. One without such a
        service learns of it with its whole data, in a deploy.
        """
        for name in self.fleet.spec.gateways:
            if entry := self._entry(replica, name):
                entry |= {"key": key_id} if key_id else {}
                service = replica.service.name
                # Looked at first: whose answer is lost is asked again, and then has the new one.
                before |= self._enter(name, service, replica.name, None, look=True)
                self._enter(name, service, replica.name, entry)

    def router_notices_s(self, service: str) -> int:
        """Seconds until a service's router knows that a replica is gone, or back; 0 without one."""
        kinds = {one.kind for one in self.fleet.plan.routers if one.service.name == service}
        return max((ROUTERS[kind].notices_s for kind in kinds), default=0)

    def _entry(self, replica: Replica, gateway: str) -> Entry | None:
        """As the plan has it; of one that stands in for another, what that takes."""
        plan, planned_as = self.fleet.plan, replica.name.removesuffix(BESIDE)
        upstream = next(u for u in plan.upstreams if u.service.name == replica.service.name)
        addresses = self._addresses(gateway, replica)
        for entry in replica_entries(upstream, addresses, self.fleet.watchdogs):
            if entry["name"] == planned_as:
                own = {"host": ip_of(replica.server.address, addresses), "port": replica.port}
                return {**entry, **own, "name": replica.name}
        return None

    def put_back(self, service: str, replica: str, entries: dict[str, Entry | None]) -> None:
        """Have each gateway see a replica as it did before."""
        for name, entry in entries.items():
            self._enter(name, service, replica, entry)

    def take_out(self, service: str, replica: str) -> None:
        """Have all of them forget a replica."""
        for name in self.fleet.spec.gateways:
            self._enter(name, service, replica, None)

    def _enter(
        self, gateway: str, service: str, replica: str, entry: Entry | None, look: bool = False
    ) -> dict[str, Entry | None]:
        request = {
            "path": FLEET,
            "socket": SOCKET,
            "service": service,
            "name": replica,
            "entry": entry,
            "router": self._router(gateway, service),
            "look": look,
        }
        try:
            said = self._entries(gateway, request)
        except (HostError, *SILENT):  # whether it was written nobody knows; once more is the same
            said = self._entries(gateway, request)
        if error := said.get("error"):
            raise HostError(f"{gateway}: {error}")
        return {} if "skipped" in said else {gateway: said["before"]}

    def _entries(self, gateway: str, request: dict[str, Any]) -> dict[str, Any]:
        host = reach(self.inventory, gateway)
        said: dict[str, Any] = call(host, "gateway_entries", request, timeout_s=60, kind=dict)
        return said

    def _router(self, gateway: str, service: str) -> str | None:
        routers = self.fleet.plan.routers_on(gateway)
        return next((one.name for one in routers if one.service.name == service), None)

    def _addresses(self, gateway: str, replica: Replica) -> dict[str, str]:
        """Of a server that is declared by name, as the gateway looks it up."""
        address = replica.server.address
        if is_ip(address):
            return {}
        said = call(
            reach(self.inventory, gateway), "names", [address], timeout_s=LOOK_UP_S, kind=dict
        )
        found = resolved(said)
        if address not in found:
            raise HostError(f"{gateway} has no one address for {address}")
        return found


def replicas_in(states: States, replica: str) -> list[dict[str, Any]]:
    """What gateways say of one replica; nothing of a gateway that does not know it."""
    services = [one for said in states.values() for one in (said.get("services") or {}).values()]
    return [one["replicas"][replica] for one in services if replica in (one.get("replicas") or {})]


def is_out(states: States, replica: str) -> bool:
    """Whether every gateway that knows it sends it nothing."""
    known = replicas_in(states, replica)
    return bool(known) and all(one.get("state") != "in" for one in known)


def failures(states: States, replica: str) -> int:
    """Requests that it was given and that failed, as all gateways count them."""
    return sum(int(one.get("failures") or 0) for one in replicas_in(states, replica))

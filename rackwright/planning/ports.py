"""Where replicas listen, and where the servers of one find each other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rackwright.errors import Fault
from rackwright.plan import Replica
from rackwright.planning.drafting import Draft
from rackwright.schema.ports import LAST_PORT
from rackwright.spec import ServiceSpec


class Ports:
    """Ports of one server: those services name, then running numbers from ``base_port``."""

    def __init__(self, server: str, draft: Draft) -> None:
        """Taken are the gateway's port and those of servers for one another."""
        self._server = server
        settings = draft.fleet.settings[server]
        self._base = settings.base_port
        self._faults = draft.faults
        gateway = draft.fleet.gateways.get(server)
        self._taken = {settings.watchdog_port: "the watchdog"} if settings.watchdog == "on" else {}
        if settings.sideways == "on":
            self._note_sideways(settings.sideways_port)
        if gateway and gateway.port in self._taken:
            key = "watchdog" if self._taken[gateway.port] == "the watchdog" else "sideways"
            path, rule = f"settings[{server}].{key}_port", f"is the gateway's port on {server}"
            self._faults.append(Fault(path, rule, gateway.port))
        if gateway:
            self._taken[gateway.port] = "the gateway"

    def _note_sideways(self, port: int) -> None:
        if owner := self._taken.get(port):
            path, rule = f"settings[{self._server}].sideways_port", f"is the port of {owner}"
            self._faults.append(Fault(path, rule, port))
        self._taken.setdefault(port, "what servers give one another")

    def take(self, service: ServiceSpec, count: int) -> list[int]:
        """``count`` ports: consecutive from the service's own, or the next that are free."""
        if service.port is None:
            free = (port for port in range(self._base, LAST_PORT + 1) if port not in self._taken)
            ports = [port for port, _ in zip(free, range(count), strict=False)]
        else:
            ports = list(range(service.port, service.port + count))
        self._note(service, ports, count)
        return ports

    def _note(self, service: ServiceSpec, ports: list[int], count: int) -> None:
        if len(ports) < count or max(ports, default=0) > LAST_PORT:
            rule = f"leaves no room below {LAST_PORT} for {count} replicas on {self._server}"
            path = f"services[{service.name}].port"
            if service.port is None:
                path, rule = f"settings[{self._server}].base_port", f"{rule} ({service.name})"
            self._faults.append(Fault(path, rule, service.port or self._base))
            ports.extend([LAST_PORT] * (count - len(ports)))
            return
        taken = {owner: port for port in reversed(ports) if (owner := self._taken.get(port))}
        for owner, port in taken.items():
            rule = f"port {port} of {self._server} is taken by {owner}"
            self._faults.append(Fault(f"services[{service.name}].port", rule, service.port))
        self._taken.update(dict.fromkeys(ports, service.name))


def with_ports_of_first(replicas: Sequence[Replica]) -> Iterator[Replica]:
    """The later servers of a replica go by the ports of its first."""
    first_of = {replica.name: replica for replica in replicas if replica.answers}
    for replica in replicas:
        first = first_of[replica.name]
        if replica.span and first.span and not replica.answers:
            span = replica.span._replace(master_port=first.span.master_port)
            yield replica.model_copy(update={"port": first.port, "span": span})
        else:
            yield replica

"""The plan while it is made: what was placed, what was not, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from rackwright.catalog import GpuType
from rackwright.errors import Fault
from rackwright.models.spec import ModelSpec
from rackwright.plan import RejectedLayout, Replica
from rackwright.planning.considering import consider
from rackwright.planning.layouts import Layout, Site, split_names
from rackwright.planning.limits import limits_of, shape_of
from rackwright.spec import FleetSpec, ServerSpec, ServiceSpec


class Placed(NamedTuple):
    """A service on one server: its layout, the servers it takes, and which of them this is."""

    layout: Layout | None
    servers: tuple[ServerSpec, ...]
    rank: int

    @property
    def processes(self) -> int:
        """Ports it needs here: one a replica, and one more where servers must find each other.

        Only the first server of a replica listens.
        """
        if self.layout is None or self.rank:
            return 0
        return len(self.layout.groups) * (2 if len(self.servers) > 1 else 1)


@dataclass
class Draft:
    """What a fleet's plan has so far. Layouts on servers built alike are judged once."""

    fleet: FleetSpec
    replicas: list[Replica] = field(default_factory=list)
    rejected: list[RejectedLayout] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    judged: dict[object, list[Layout]] = field(default_factory=dict)
    spans: dict[str, int] = field(default_factory=dict)
    models: dict[str, ModelSpec] = field(default_factory=dict)

    def pinned(self, service: ServiceSpec) -> ModelSpec:
        """The service's model, its source the one that the service runs. Made once a service."""
        if service.name not in self.models:
            model = self.fleet.models[service.model]
            update = {"source": service.source_of(model)}
            self.models[service.name] = model.model_copy(update=update)
        return self.models[service.name]

    def types_on(self, service: ServiceSpec, server: ServerSpec) -> tuple[GpuType, ...]:
        """The type of each GPU of a server that a service may use; see ``allowed_gpus``."""
        kinds = self.fleet.servers[server.name].kinds
        types = {i: self.fleet.gpu_of(kind) for kind in kinds for i in kind.gpus.nvml_indexes}
        return tuple(types[index] for index in allowed_gpus(service, server))

    def layouts(self, service: ServiceSpec, servers: Sequence[ServerSpec]) -> list[Layout]:
        """Every layout of a service on these servers."""
        server = servers[0]
        gpus, ranks = allowed_gpus(service, server), service.ranks_on(server.name)
        types = self.types_on(service, server) if _is_mixed(service, server, self.fleet) else ()
        key = (service.name, server.hardware, gpus, types, ranks, len(servers))
        if key not in self.judged:
            gpu = self.fleet.gpu_of(server)
            shape = shape_of(service, self.fleet.models[service.model])
            site = Site(tuple(servers), gpu, gpus, types)
            self.judged[key] = consider(service, shape, site, limits_of(service, gpu, shape))
        return self.judged[key]

    def _gpus_of(self, service: ServiceSpec, server: ServerSpec) -> str:
        """In words: ``2 x l40s-48gb (pcie)``, or each of several types."""
        counts = Counter(gpu.key for gpu in self.types_on(service, server))
        words = " + ".join(f"{count} x {key}" for key, count in counts.items())
        return words if len(counts) > 1 else f"{words} ({server.interconnect})"

    def reject(self, service: ServiceSpec, server: ServerSpec, layouts: Iterable[Layout]) -> None:
        """Keep layouts that were not chosen, with the reason that each has."""
        self.rejected.extend(_rejected(service, server, layout) for layout in layouts)

    def nothing_fits(
        self, service: ServiceSpec, server: ServerSpec, layouts: Sequence[Layout], span: int = 1
    ) -> None:
        """The fault where no layout is feasible: every reason, and what would be accepted."""
        alike: dict[str, list[Layout]] = {}
        for layout in layouts:
            alike.setdefault(layout.reason, []).append(layout)
        reasons = "; ".join(f"{split_names(same)}: {reason}" for reason, same in alike.items())
        servers = f"{span} servers of " if span > 1 else ""
        rule = (
            f"no layout of {service.model} fits {servers}{self._gpus_of(service, server)}: "
            f"{reasons}"
        )
        self.faults.append(Fault(f"services[{service.name}].servers[{server.name}]", rule))


def _is_mixed(service: ServiceSpec, server: ServerSpec, fleet: FleetSpec) -> bool:
    named = (service.gpus or {}).get(server.name)
    return named is not None and len(fleet.servers[server.name].kinds_of(named)) > 1


def allowed_gpus(service: ServiceSpec, server: ServerSpec) -> tuple[int, ...]:
    """The GPUs of a server that a service may use, by index: those it names, else all.

    The server is as ``kind_for`` gives it.
    """
    named = (service.gpus or {}).get(server.name)
    return tuple(sorted(named)) if named else server.gpus.nvml_indexes


def kind_for(service: ServiceSpec, server: ServerSpec) -> ServerSpec:
    """The server with the GPUs of one type alone: of those that the service names, else the first.

    With those of several types where the service names such: its engine deals layers over them.
    """
    named = (service.gpus or {}).get(server.name)
    return server.kind_of(named) or (server.together(named) if named else server.kinds[0])


def _rejected(service: ServiceSpec, server: ServerSpec, layout: Layout) -> RejectedLayout:
    timed = layout.alone if layout.feasible else None
    return RejectedLayout(
        service=service.name,
        server=server.name,
        nodes=layout.nodes,
        split=layout.split,
        by_layers=layout.by_layers,
        replicas=len(layout.groups),
        feasible=layout.feasible,
        reason=layout.reason,
        tpot_ms=timed.tpot_ms if timed else None,
        out_tok_s=layout.out_tok_s if timed else None,
        requests=layout.requests if timed else None,
    )

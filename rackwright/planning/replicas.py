"""A layout that was chosen as replicas, and what clients reach them by."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rackwright.engines import ENGINES
from rackwright.engines.abilities import dtype_on
from rackwright.errors import Fault
from rackwright.plan import Replica, Span, Upstream
from rackwright.planning.drafting import Draft, Placed
from rackwright.planning.limits import projector_of
from rackwright.sizing.dealing import fullest
from rackwright.spec import FleetSpec, ServerSpec, ServiceSpec, Settings


def replicas_of(
    service: ServiceSpec, server: ServerSpec, draft: Draft, placed: Placed, ports: Sequence[int]
) -> Iterator[Replica]:
    """The service's processes on a server: one for each group of GPUs of its layout."""
    layout, model, fleet = placed.layout, draft.pinned(service), draft.fleet
    assert layout and layout.memory and layout.limits  # chosen, so sized
    first, gpu = placed.servers[0].name.removeprefix("@"), fleet.gpu_of(server)
    engine = ENGINES[service.engine]
    serves_gguf, task = engine.serves_gguf, engine.task(service, model.shape)
    for index, gpus in enumerate(layout.groups):
        yield Replica(
            name=f"{service.name}-{first}-{index}",
            service=service,
            model=model,
            server=server,
            gpu=gpu,
            index=index,
            gpus=gpus,
            split=layout.split,
            task=task,
            limits=layout.limits,
            dtype=dtype_on(gpu, model.shape),
            memory=fullest(layout.dealt[index]) if layout.dealt else layout.memory,
            dealt=layout.dealt[index] if layout.dealt else (),
            speeds=layout.speeds,
            longest_prompt_s=layout.longest_prompt_s,
            port=ports[index] if ports else 0,
            gguf=service.gguf_of(model) if serves_gguf else None,
            mmproj=projector_of(service, model),
            span=_span(placed, ports[len(layout.groups) :], index, fleet.settings[server.name]),
        )


def _span(
    placed: Placed, master_ports: Sequence[int], index: int, settings: Settings
) -> Span | None:
    """Where the processes of one replica find each other; later servers have no ports yet."""
    if len(placed.servers) == 1:
        return None
    addresses = tuple(server.address for server in placed.servers)
    port = master_ports[index] if master_ports else None
    return Span(placed.rank, addresses, port, kept_together=settings.watchdog == "on")


def same_names(replicas: Sequence[Replica]) -> Iterator[Fault]:
    """Replicas of two services whose names would be one."""
    seen: dict[str, Replica] = {}
    for replica in replicas:
        first = seen.get(replica.name)
        if first and replica.answers:
            rule = (
                f"its replica on {replica.server.name} and that of {first.service.name} on "
                f"{first.server.name} would both be named {replica.name}, rename one"
            )
            yield Fault(f"services[{replica.service.name}]", rule)
        seen[replica.name] = replica


def upstreams(fleet: FleetSpec, replicas: Sequence[Replica]) -> Iterator[Upstream]:
    """For each service the replicas that answer, in the order of its servers."""
    for service in fleet.services.values():
        answering = (r for r in replicas if r.service is service and r.answers)
        order = {name: position for position, name in enumerate(service.servers)}
        yield Upstream(
            service=service,
            replicas=tuple(sorted(answering, key=lambda r: (order[r.server.name], r.index))),
        )

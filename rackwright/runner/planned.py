"""What is planned on some hosts, as the checks need to know it."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from rackwright import checks
from rackwright.catalog import GpuType
from rackwright.checks.planned import (
    Folder,
    GpuSettings,
    PlannedGateway,
    PlannedHost,
    PlannedKind,
    PlannedRank,
    PlannedReplica,
    PlannedRouter,
    PlannedServer,
    PlannedService,
    Predicted,
    Tenant,
)
from rackwright.desired import paths
from rackwright.desired.failover import UNIT
from rackwright.desired.fleet_data import ROUTER_HOST
from rackwright.desired.gateway import connections
from rackwright.engines import ENGINES
from rackwright.models.projection import TokenVectors, token_vectors
from rackwright.plan import Replica, Upstream
from rackwright.planning.firewall import firewall_of
from rackwright.planning.topology import islands
from rackwright.runner.fleet import FleetRun
from rackwright.sizing import GIB, Split, weights_bytes
from rackwright.sizing.weights import host_bytes
from rackwright.spec import GatewaySpec, GpuSpec, ServerSpec, Settings

RELEASE_BYTES = 10 * GIB
"""Room for a release beside the present one; the CPU build takes 3.5 GB, CUDA's libraries more."""
LOGS_BYTES = 4 * GIB
"""What systemd's journal may grow to by default (SystemMaxUse in journald.conf)."""


def planned(fleet: FleetRun, hosts: Collection[str], load: bool = True) -> list[checks.Planned]:
    """All that is planned on these hosts, as the checks need to know it; ``load`` as observed."""
    names = [name for name in fleet.spec.settings if name in hosts]
    systems = [
        PlannedHost(
            host=name,
            folders=folders_of(fleet, name),
            firewall=firewall_of(name, fleet.spec, fleet.plan),
            watched=_watched(fleet, name),
        )
        for name in names
    ]
    servers = [_planned_server(s, fleet) for n, s in fleet.spec.servers.items() if n in hosts]
    replicas = [
        planned_replica(replica, fleet.settings(replica.server.name), load)
        for replica in fleet.plan.replicas
        if replica.server.name in hosts
    ]
    gateways = {n: g for n, g in fleet.spec.gateways.items() if n in hosts}
    services = [
        _planned_service(upstream, gateway, fleet)
        for gateway in gateways.values()
        for upstream in fleet.plan.upstreams
    ]
    ranks = [
        _planned_rank(r, fleet) for r in fleet.plan.replicas if r.span and r.server.name in hosts
    ]
    return [*systems, *servers, *replicas, *ranks, *services, *_planned_failover(fleet, hosts)]


def _planned_rank(replica: Replica, fleet: FleetRun) -> PlannedRank:
    ranks = [one for one in fleet.plan.named(replica.name) if one.span]
    ranks.sort(key=lambda one: one.span.rank if one.span else 0)
    assert replica.span
    return PlannedRank(
        name=replica.name,
        host=replica.server.name,
        unit=paths.unit_name(replica),
        rank=replica.span.rank,
        servers=tuple(one.server.name for one in ranks),
        gbit_per_s=replica.server.network_gbit_per_s,
        rdma_devices=replica.rdma_devices,
        kept_together=replica.kept_together,
    )


def _watched(fleet: FleetRun, name: str) -> tuple[str, ...] | None:
    if name not in fleet.watchdogs:
        return None
    return tuple(replica.name for replica in fleet.plan.on(name) if replica.answers)


def _planned_service(upstream: Upstream, gateway: GatewaySpec, fleet: FleetRun) -> PlannedService:
    """A service behind a gateway: it sends to the replicas, or to the one router of the service."""
    service, name, settings = upstream.service, gateway.name, fleet.settings(gateway.name)
    routers = [one for one in fleet.plan.routers_on(name) if one.service.name == service.name]
    to = {one.name: f"{one.server.address}:{one.port}" for one in upstream.replicas}
    if routers:
        to = {one.name: f"{ROUTER_HOST}:{one.port}" for one in routers}
    behind = len(upstream.replicas)
    return PlannedService(
        name=service.name,
        host=name,
        server_name=gateway.server_name,
        served_model_name=service.served_as,
        replicas=tuple(to),
        engine=service.engine,
        task=upstream.replicas[0].task,
        vectors=_vectors(upstream.replicas[0]),
        addresses=tuple(to.values()),
        connections=connections(fleet.plan.upstreams, settings),
        renewer=gateway.renewer,
        lacks_key=bool(gateway.ask_keys) and not settings.gateway_key_env,
        router=next(
            (PlannedRouter(one.kind, paths.router_unit(one), behind) for one in routers), None
        ),
    )


def _planned_failover(fleet: FleetRun, hosts: Collection[str]) -> Iterator[PlannedGateway]:
    failover = fleet.spec.failover
    for name in failover.gateways if failover else ():
        if failover and name in hosts:
            yield PlannedGateway(
                host=name,
                gateways=tuple(failover.gateways),
                unit=UNIT if failover.shares else "",
                addresses=failover.addresses,
                records={one.name: one.addresses for one in fleet.plan.records},
            )


def _planned_server(server: ServerSpec, fleet: FleetRun) -> PlannedServer:
    first, *others = (_planned_kind(kind, fleet.spec.gpu_of(kind)) for kind in server.kinds)
    replicas = fleet.plan.on(server.name)
    settings = fleet.settings(server.name)
    return PlannedServer(
        host=server.name,
        gpu=first.gpu,
        gpus=len(first.indexes),
        interconnect=first.interconnect,
        islands=first.islands,
        indexes=server.gpus.indexes and first.indexes,
        others=tuple(others),
        tenants=tuple(_tenant(replica, gpu) for replica in replicas for gpu in replica.gpus),
        engines_use_gpus=all(
            _uses_gpus(replica, fleet.settings(server.name)) for replica in replicas
        ),
        driver_version=None if settings.driver_source == "none" else settings.driver_version,
        runs_fabric_manager=server.runs_fabric_manager,
        gpu_settings={
            index: one for kind in server.kinds for index, one in _gpu_settings(kind.gpus).items()
        },
    )


def _planned_kind(kind: ServerSpec, gpu: GpuType) -> PlannedKind:
    return PlannedKind(gpu, kind.gpus.nvml_indexes, kind.interconnect, islands(kind, gpu))


def _gpu_settings(gpus: GpuSpec) -> dict[int, GpuSettings]:
    """What is declared of each of these GPUs, by index."""
    slots = zip(gpus.nvml_indexes, gpus.lanes_of_each, gpus.generations_of_each, strict=True)
    return {
        index: GpuSettings(gpus.power_limit_w, gpus.ecc, gpus.mig, lanes, generation)
        for index, lanes, generation in slots
    }


def _even(replica: Replica) -> bool:
    """Whether all of its GPUs hold as much: the last ranks may have an expert less."""
    split, experts = replica.split, replica.model.shape.experts
    over = experts.count % split.expert_ranks if experts and split.expert_parallel else 0
    return split.pipeline == 1 and not over


def _tenant(replica: Replica, gpu: int) -> Tenant:
    memory = replica.memory_of(gpu)
    return Tenant(
        gpu=gpu,
        unit=paths.unit_name(replica),
        most_bytes=memory.usable_bytes + memory.outside_bytes,
        even=_even(replica) and memory.has_cache,  # else it takes of its share what it needs
        margin_bytes=memory.margin_bytes,
    )


def planned_replica(replica: Replica, settings: Settings, load: bool) -> PlannedReplica:
    """One replica, as its checks need to know it; ``load`` as it is observed."""
    engine = ENGINES[replica.service.engine]
    return PlannedReplica(
        name=replica.name,
        host=replica.server.name,
        unit=paths.unit_name(replica),
        port=replica.port,
        served_model_name=replica.service.served_as,
        max_model_len=replica.limits.max_model_len,
        answers=replica.answers,
        version=engine.version(settings) if engine.version_path else None,
        figures=tuple(engine.figures_of(replica.task)),
        task=replica.task,
        vectors=_vectors(replica),
        keeps_tokens=replica.memory.has_cache,
        predicted=predicted(replica, settings),
        gpus=replica.gpus,
        tensor_parallel_size=replica.split.tensor,
        burst=is_loaded(replica, settings, load),
        engine=replica.service.engine,
        asked=bool(engine.questions(replica)),
        uses_gpus=_uses_gpus(replica, settings),
        slots=replica.limits.max_num_seqs if replica.gguf else None,
        digest=replica.gguf.sha256 if replica.gguf else None,
    )


def _vectors(replica: Replica) -> TokenVectors | None:
    return token_vectors(replica.model.shape) if replica.task == "token_embed" else None


def predicted(replica: Replica, settings: Settings) -> Predicted | None:
    """What the plan says of a replica's speed and cache; None without GPUs or a prediction."""
    if not replica.speeds or not _uses_gpus(replica, settings):
        return None
    return Predicted(replica.memory.kv_cache_tokens, replica.speeds)


def is_loaded(replica: Replica, settings: Settings, load: bool) -> bool:
    """Whether a burst goes to a replica: not to one of which nothing is predicted."""
    return load and replica.answers and predicted(replica, settings) is not None


def _uses_gpus(replica: Replica, settings: Settings) -> bool:
    return ENGINES[replica.service.engine].uses_gpus(settings)


def folders_of(fleet: FleetRun, name: str) -> tuple[Folder, ...]:
    """What takes room on a host: logs on every one, releases and weights on GPU servers."""
    settings, replicas = fleet.settings(name), fleet.plan.on(name)
    found = [Folder("/var/log", "logs", LOGS_BYTES)]
    if name in fleet.spec.servers:
        found.append(Folder(settings.root_dir, "releases", RELEASE_BYTES))
    models = {replica.model.name: replica for replica in replicas if _is_fetched(replica)}
    if models:
        # A new revision is fetched beside the one that is served.
        largest = max(_weights_bytes(replica) for replica in models.values())
        found.append(Folder(f"{settings.state_dir}/models", "weights", largest))
    given = {paths.model_path(r, settings) for r in replicas if not _is_fetched(r)}
    return (*found, *(Folder(path, "weights", 0) for path in sorted(given)))


def _is_fetched(replica: Replica) -> bool:
    """Whether its weights are downloaded below the state folder."""
    return bool(replica.gguf.repo if replica.gguf else replica.model.source.repo)


def _weights_bytes(replica: Replica) -> int:
    if replica.gguf:
        return replica.gguf.size_bytes + (replica.mmproj.size_bytes if replica.mmproj else 0)
    shape = replica.model.shape
    return weights_bytes(shape, Split(), 0) + host_bytes(shape, Split())

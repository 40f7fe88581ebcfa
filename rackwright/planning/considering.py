"""Every way one service can be laid out on GPUs, each judged: feasible, or the reason why not."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from rackwright.engines import ENGINES, Engine
from rackwright.models import Shape
from rackwright.planning.grouping import Grouping, SiteLinks, grouped, links_of, wires
from rackwright.planning.layouts import Layout, Site
from rackwright.planning.loads import Speeds, speeds
from rackwright.planning.reasons import (
    crosses,
    too_few_sequences,
    too_few_slots,
    too_slow,
    too_small,
)
from rackwright.planning.speed import Machine
from rackwright.planning.splitting import indivisible, splits_by_layers, splits_by_ranks
from rackwright.sizing import GpuMemory, Limits, Split
from rackwright.spec import ServiceSpec, Target


class _Case(NamedTuple):
    """What layouts are considered for."""

    service: ServiceSpec
    shape: Shape
    site: Site
    limits: Limits
    links: SiteLinks

    @property
    def engine(self) -> Engine:
        return ENGINES[self.service.engine]

    def memory(self, split: Split, limits: Limits) -> GpuMemory:
        return self.engine.memory(self.shape, split, self.site.gpu.memory_bytes, limits)


def consider(service: ServiceSpec, shape: Shape, site: Site, limits: Limits) -> list[Layout]:
    """Every split that engine and GPUs allow (or the one the operator gave), judged."""
    case = _Case(service, shape, site, limits, links_of(site))
    can = case.engine.splits
    if len(site.servers) > 1 and not can.servers:
        return []
    if can.by_layers:
        return [_judge_layers(split, case) for split in splits_by_layers(service, site)]
    judged = {split: _judge(split, case) for split in splits_by_ranks(service, shape, site)}
    return [layout for layout in judged.values() if not _repeats(layout, judged)]


def _repeats(layout: Layout, judged: dict[Split, Layout]) -> bool:
    """Whether whole experts a rank fail just as shared ones do: nobody need read that twice."""
    twin = judged.get(layout.split._replace(expert_parallel=False))
    return twin not in (None, layout) and not (layout.feasible or twin.feasible)


def _judge_layers(split: Split, case: _Case) -> Layout:
    """Layers dealt over GPUs: they take turns, so more than needed make nothing faster."""
    gpus, layers = split.pipeline, len(case.shape.layers)
    layout = Layout(split, by_layers=True)
    if gpus > layers:
        return replace(layout, reason=f"{layers} layers are too few for {gpus} GPUs")
    if gpus > len(case.site.gpus):
        reason = f"needs {gpus} GPUs, {len(case.site.gpus)} may be used"
        return replace(layout, reason=reason)
    memory = case.memory(split, case.limits)
    groups = grouped(split, case.site, case.links.topology).groups[: case.service.replicas]
    reason = (
        too_small(memory, case.limits)
        or too_few_slots(memory, case.limits)
        or _too_few(split, case, memory, len(groups))
    )
    return replace(layout, groups=groups, memory=memory, asked=len(groups), reason=reason)


def _judge(split: Split, case: _Case) -> Layout:
    """Ranks and stages: what cannot be is not sized, what can is timed where that is predicted."""
    service, limits, nodes = case.service, case.limits, len(case.site.servers)
    if reason := indivisible(split, case.shape) or _no_room(split, case.site):
        return Layout(split, nodes=nodes, reason=reason)
    memory = case.memory(split, limits)
    grouping = grouped(split, case.site, case.links.topology)
    grouping = grouping._replace(groups=grouping.groups[: service.replicas])
    groups, crossing = grouping
    reason = too_small(memory, limits) or _too_few(split, case, memory, len(groups))
    predicted = _speeds(split, case, grouping) if case.engine.predicts else None
    if predicted:
        reason = reason or too_slow(service, predicted.busy)
    across = bool(crossing) and not reason and not service.ranks_on(case.site.server.name)
    if across:
        alone = predicted.alone if predicted else None
        reason = crosses(split, case.links.topology, crossing, alone)
    timed = predicted._asdict() if predicted else {"asked": len(groups)}
    return Layout(split, groups, nodes, memory, **timed, reason=reason, across=across)


def _no_room(split: Split, site: Site) -> str:
    nodes = len(site.servers)
    if split.gpus % nodes:
        return f"{split.gpus} GPUs do not divide over {nodes} servers"
    if split.gpus // nodes > len(site.gpus):
        return f"needs {split.gpus // nodes} GPUs a server, {len(site.gpus)} may be used"
    return ""


def _too_few(split: Split, case: _Case, memory: GpuMemory, replicas: int) -> str:
    """Fewer replicas, or fewer sequences at once, than the service asks for."""
    service = case.service
    if service.replicas and replicas < service.replicas:
        return f"room for {replicas} of the {service.replicas} replicas asked for"
    longest, goal = case.limits.max_model_len, service.objective
    reason = too_few_sequences(memory.sequences * replicas, service.concurrency, longest)
    if reason or not isinstance(goal, Target):
        return reason
    memory = case.memory(split, case.limits._replace(max_model_len=goal.tokens))
    return too_few_sequences(memory.sequences * replicas, goal.sequences, goal.tokens)


def _speeds(split: Split, case: _Case, grouping: Grouping) -> Speeds:
    machine = Machine(
        case.site.gpu,
        wires(split, grouping, case.links),
        case.limits.kv_cache_dtype,
        case.limits.max_num_batched_tokens,
    )
    return speeds(case.shape, split, machine, case.service, case.limits, len(grouping.groups))

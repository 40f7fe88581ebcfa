"""Every way one service can be laid out on GPUs, each judged: feasible, or the reason why not."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import replace
from typing import NamedTuple

from rackwright.engines import ENGINES, Engine
from rackwright.models import Shape
from rackwright.planning.dealing import undealt
from rackwright.planning.grouping import Grouping, SiteLinks, grouped, links_of, wires
from rackwright.planning.layouts import Layout, Site
from rackwright.planning.loads import Speeds, speeds
from rackwright.planning.reasons import (
    crosses,
    too_few_sequences,
    too_few_slots,
    too_many_sequences,
    too_slow,
    too_small,
)
from rackwright.planning.speed import Machine
from rackwright.planning.splitting import indivisible, splits_by_layers, splits_by_ranks
from rackwright.planning.topology import Island
from rackwright.sizing import GpuMemory, Limits, Split, blocks_per_request
from rackwright.sizing.dealing import Dealt, fullest
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

    def told(self, sequences: int) -> _Case:
        """The same with so many sequences at once."""
        return self._replace(limits=self.limits._replace(max_num_seqs=sequences))

    def dealt(self, group: Island) -> tuple[Dealt, ...]:
        return self.engine.dealt(self.shape, self.site.bytes_of(group), self.limits)


def consider(service: ServiceSpec, shape: Shape, site: Site, limits: Limits) -> list[Layout]:
    """Every split that engine and GPUs allow (or the one the operator gave), judged."""
    case = _Case(service, shape, site, limits, links_of(site))
    can = case.engine.splits
    if len(site.servers) > 1 and (not can.servers or not shape.paced):
        return []
    if can.by_layers:
        return [_judge_layers(split, case) for split in splits_by_layers(service, site)]
    judged: dict[Split, Layout] = {}
    for split in splits_by_ranks(service, shape, site):
        if not _hopeless(split, judged):
            judged[split] = _judge(split, case)
    return [layout for layout in judged.values() if not _repeats(layout, judged)]


def _hopeless(split: Split, judged: dict[Split, Layout]) -> bool:
    """Whether the same GPUs are too small for less: dealt tokens and groups need more beside it."""
    if split.data == split.context == 1:
        return False
    less = judged.get(Split(split.expert_ranks, split.pipeline, split.expert_parallel))
    return bool(less and less.memory and less.memory.kv_cache_bytes < 0)


def _repeats(layout: Layout, judged: dict[Split, Layout]) -> bool:
    """Whether it fails just as the same GPUs do more simply divided: nobody need read that twice.

    Whole experts a rank beside shared ones; a cache dealt over ranks, or groups of them, beside
    neither, unless it holds more.
    """
    split = layout.split
    if layout.feasible or not (split.expert_parallel or split.context > 1):
        return False
    simpler = (
        split._replace(context=1),
        split._replace(expert_parallel=False, data=1, context=1),
        Split(split.expert_ranks, split.pipeline),
    )
    twins = [judged[other] for other in simpler if other != split and other in judged]
    failing = (twin for twin in twins if not twin.feasible)
    return any(not _holds_more(layout.memory, twin.memory) for twin in failing)


def _holds_more(memory: GpuMemory | None, than: GpuMemory | None) -> bool:
    return memory is not None and memory.sequences > (than.sequences if than else 0)


def _judge_layers(split: Split, case: _Case) -> Layout:
    """Layers dealt over GPUs: they take turns, so more than needed make nothing faster."""
    gpus, layers = split.pipeline, len(case.shape.layers)
    layout = Layout(split, by_layers=True)
    if gpus > layers:
        return replace(layout, reason=f"{layers} layers are too few for {gpus} GPUs")
    if gpus > len(case.site.gpus):
        reason = f"needs {gpus} GPUs, {len(case.site.gpus)} may be used"
        return replace(layout, reason=reason)
    found = grouped(split, case.site, case.links.topology).groups
    dealt = {group: case.dealt(group) for group in found}
    equal = case.memory(split, case.limits)
    fullest_of = {group: fullest(own) if own else equal for group, own in dealt.items()}
    reasons = {group: _too_full(memory, case.limits) for group, memory in fullest_of.items()}
    holding = [group for group in found if not reasons[group]][: case.service.replicas]
    best = max(found, key=lambda group: fullest_of[group].free_bytes)
    groups = tuple(holding) or (best,)
    memory = min((fullest_of[group] for group in groups), key=lambda one: one.free_bytes)
    reason = _too_few(split, case, memory, len(groups)) if holding else reasons[best]
    parts = tuple(dealt[group] for group in groups)
    layout = replace(layout, dealt=parts if all(parts) else (), asked=len(groups))
    return replace(layout, groups=groups, limits=case.limits, memory=memory, reason=reason)


def _too_full(memory: GpuMemory, limits: Limits) -> str:
    """Why the fullest GPU does not hold its part with all slots."""
    return too_small(memory, limits) or too_few_slots(memory, limits)


def _judge(split: Split, case: _Case) -> Layout:
    """Ranks and stages: what cannot be is not sized, what can is timed where that is predicted."""
    service, nodes = case.service, len(case.site.servers)
    reason = indivisible(split, case.shape) or undealt(split, case.shape, case.engine.splits)
    if reason := reason or _no_room(split, case.site):
        return Layout(split, nodes=nodes, reason=reason)
    case, memory, unstarted = _startable(split, case)
    grouping = grouped(split, case.site, case.links.topology)
    grouping = grouping._replace(groups=grouping.groups[: service.replicas])
    groups, crossing = grouping
    reason = too_small(memory, case.limits) or unstarted
    reason = reason or _too_few(split, case, memory, len(groups))
    # How fast it would be is asked of what fits only: most of what is tried does not.
    timeable = case.engine.predicts and case.shape.paced and not reason
    predicted = _speeds(split, case, grouping) if timeable else None
    if predicted:
        reason = too_slow(service, predicted.busy)
    across = bool(crossing) and not reason and not service.ranks_on(case.site.server.name)
    if across:
        alone = predicted.alone if predicted else None
        reason = crosses(split, case.links.topology, crossing, alone)
    timed = predicted._asdict() if predicted else {"asked": len(groups)}
    return Layout(split, groups, nodes, case.limits, memory, **timed, reason=reason, across=across)


def _startable(split: Split, case: _Case) -> tuple[_Case, GpuMemory, str]:
    """With as many sequences as the engine starts with, unless the operator wants more: why not.

    Where it would not start with its own choice it is told of those that its cache can hold at
    once, however short they are: more would wait anyway, and take memory from the cache.
    """
    memory = case.memory(split, case.limits)
    most = case.engine.most_sequences(case.shape, memory, case.limits)
    if most is None or case.limits.max_num_seqs <= most:
        return case, memory, ""
    if case.service.max_num_seqs:
        found = _most(split, case, held=False)
        return case, memory, too_many_sequences(memory, case.limits, found) if found else ""
    case = case.told(max(1, _most(split, case, held=True)))
    return case, case.memory(split, case.limits), ""


def _most(split: Split, case: _Case, *, held: bool) -> int:
    """The most sequences that the engine starts with; 0 for none. ``held``: at once in its cache.

    Each takes memory from the cache, so there are fewer blocks the more there are.
    """

    def too_many(count: int) -> bool:
        told = case.told(count)
        memory = case.memory(split, told.limits)
        most = case.engine.most_sequences(case.shape, memory, told.limits) or 0
        each = blocks_per_request(case.shape, split, told.limits, 1) if held else 1
        return count > min(most, memory.kv_cache_blocks // each)

    return bisect_left(range(1, case.limits.max_num_seqs + 1), True, key=too_many)


def _no_room(split: Split, site: Site) -> str:
    nodes = len(site.servers)
    if split.data > 1 and (nodes > 1 or split.pipeline > 1):
        return "data parallel groups are planned on one server, without stages"
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
    held, cached = memory.sequences * replicas, memory.has_cache
    reason = too_few_sequences(held, service.concurrency, longest, cached)
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

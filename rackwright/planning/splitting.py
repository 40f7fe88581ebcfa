"""The splits that are worth judging: those that an engine can do and a model allows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import gcd

from rackwright.engines import ENGINES
from rackwright.models import Shape
from rackwright.planning.blocks import uneven_blocks
from rackwright.planning.dealing import context_sizes, groups_of_ranks
from rackwright.planning.layouts import Site
from rackwright.sizing import Split, padded_vocab
from rackwright.sizing.split import stage_range
from rackwright.spec import ServiceSpec


def splits_by_layers(service: ServiceSpec, site: Site) -> Iterator[Split]:
    """Layers dealt over so many GPUs, or over as many as the operator gave."""
    for gpus in _given(service.pipeline_parallel_size) or range(1, len(site.gpus) + 1):
        yield Split(1, gpus)


def splits_by_ranks(service: ServiceSpec, shape: Shape, site: Site) -> Iterator[Split]:
    """Ranks and stages. A size that does not divide the model is named once, without stages.

    Then data parallel groups of ranks, or those alone where the service asks for them. What
    does not write token by token has ranks alone: replicas are how more of it is done.
    """
    ranks = _ranks(service, site)
    if not shape.paced:
        for stages in _given(service.pipeline_parallel_size) or [1]:
            yield from (Split(tensor, stages) for tensor in ranks)
        return
    for tensor in [] if (service.data_parallel_size or 1) > 1 else ranks:
        whole = not indivisible(Split(tensor), shape)
        contexts: list[Sequence[int]] = [[1], [1]]
        if whole:
            contexts = [context_sizes(service, shape, tensor, stages) for stages in (1, 2)]
        for pipeline in _stages(service, site, tensor, whole):
            for expert_parallel in _experts(service, shape) if tensor > 1 else [False]:
                for context in contexts[pipeline > 1]:
                    yield Split(tensor, pipeline, expert_parallel, 1, context)
    dividing = [size for size in ranks if not indivisible(Split(size), shape)]
    yield from groups_of_ranks(service, shape, site, dividing or ranks)


def _ranks(service: ServiceSpec, site: Site) -> Sequence[int]:
    """Ranks of a group, which stays in one server where there can be stages between servers."""
    can, gpus = ENGINES[service.engine].splits, len(site.gpus)
    if not can.tensor:
        return [1]
    most = gpus if can.pipeline else gpus * len(site.servers)
    return _given(service.ranks_on(site.server.name)) or range(1, most + 1)


def _stages(service: ServiceSpec, site: Site, tensor: int, whole: bool) -> Sequence[int]:
    """Stages of a replica, as many on each of its servers."""
    if not ENGINES[service.engine].splits.pipeline:
        return [1]
    most = max(1, len(site.gpus) // tensor) if whole else 1
    in_servers = range(1, most + 1)
    nodes = len(site.servers)
    return _given(service.pipeline_parallel_size) or [stages * nodes for stages in in_servers]


def _experts(service: ServiceSpec, shape: Shape) -> Sequence[bool]:
    """Whether ranks hold whole experts."""
    if not ENGINES[service.engine].splits.expert:
        return [False]
    if service.expert_parallel is not None:
        return [service.expert_parallel]
    return [False, True] if shape.experts else [False]


def _given(size: int | None) -> list[int]:
    return [size] if size else []


def indivisible(split: Split, shape: Shape) -> str:
    """Why the model cannot be split so at all; empty where it can."""
    ranks = split.tensor
    heads, kv_heads = shape.heads, shape.kv_heads
    if heads % ranks or (kv_heads % ranks and ranks % kv_heads):
        kept = "" if shape.layers[0].kv.latent else f" and {kv_heads} KV"
        return f"{heads} attention{kept} heads do not divide that way"
    vocabulary = padded_vocab(shape)
    if vocabulary % ranks:
        return f"a vocabulary of {vocabulary} (padded) does not divide that way"
    if reason := _uneven_width(split, shape):
        return reason
    if not shape.staged and split.pipeline > 1:
        return "vLLM has no pipeline stages of this model"
    if (begun := _unseamly(split, shape)) is not None:
        return f"a stage would begin with layer {begun}, which looks at keys of one before it"
    if split.pipeline > len(shape.layers):
        return f"{len(shape.layers)} layers are too few for {split.pipeline} stages"
    return ""


def _unseamly(split: Split, shape: Shape) -> int | None:
    """The first layer of a stage that may not begin one; None where there is none."""
    count = len(shape.layers)
    if not shape.seams or not 1 < split.pipeline <= count:
        return None
    starts = (stage_range(count, split.pipeline, stage).start for stage in range(split.pipeline))
    return next((start for start in starts if start not in shape.seams), None)


def _uneven_width(split: Split, shape: Shape) -> str:
    """Which width the ranks cannot share evenly, in whole blocks of its quantization."""
    ranks, widths = split.tensor, dict(shape.widths)
    if shape.experts and not split.expert_parallel:
        each = (layer.experts.width for layer in shape.kinds if layer.experts)
        widths["expert width"] = gcd(*each)
    for name, width in widths.items():
        if width % ranks:
            return f"{name} {width} does not divide that way"
    return uneven_blocks(split, shape)

"""Experts, groups and tokens dealt over ranks: which are worth judging, and which cannot be.

What the engine itself refuses is restated from vLLM 0.32: ParallelConfig._validate_parallel_config
in vllm/config/parallel.py and ModelConfig.verify_with_parallel_config in vllm/config/model.py; what
attention kernels cannot, from vllm/v1/attention/backends and single_type_kv_cache_manager.py in
vllm/v1/core (no windows, no states).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache

from rackwright.engines import ENGINES
from rackwright.engines.splits import Splits
from rackwright.models import KvCache, Shape
from rackwright.planning.layouts import Site
from rackwright.sizing import Split
from rackwright.spec import ServiceSpec

EVEN_ALONE = frozenset({"GptOssForCausalLM"})
"""Whose weights are cut into equal shares while they are loaded (_load_weights_mxfp4 in
vllm/model_executor/models/gpt_oss.py, 0.32)."""
CUT_ALONE = frozenset({"DbrxForCausalLM"})
"""Whose experts are cut by the ranks of their group, all of them on each, whatever is asked for
(DbrxExperts.weight_loader in vllm/model_executor/models/dbrx.py, 0.32)."""


@lru_cache(maxsize=4096)
def is_latent(shape: Shape) -> bool:
    """Whether all that is kept is a latent cache, which every rank of a group would hold whole."""
    kept = _kept(shape)
    return bool(kept) and all(kv.latent for kv in kept)


def context_sizes(service: ServiceSpec, shape: Shape, tensor: int, stages: int) -> Sequence[int]:
    """Over how many of the ranks tokens may be dealt: as the service says, else what divides.

    Stages keep no copies of one another's layers already: there it has to be asked for.
    """
    given = service.decode_context_parallel_size
    if given or not ENGINES[service.engine].splits.context:
        return [given or 1]
    if stages > 1 or _undealt_tokens(shape):
        return [1]
    return [size for size in range(1, tensor + 1) if tensor % size == 0]


def groups_of_ranks(
    service: ServiceSpec, shape: Shape, site: Site, ranks: Sequence[int]
) -> Iterator[Split]:
    """Data parallel groups of so many ranks, which leave no GPU of a server over unless asked for.

    They are considered for mixtures of experts with a latent cache; others may ask for them. Tokens
    dealt inside a group have to be asked for: that pair was never seen at work.
    """
    gpus, given = len(site.gpus), service.data_parallel_size
    if not ENGINES[service.engine].splits.data or given == 1 or service.expert_parallel is False:
        return
    if not given and not (shape.experts and is_latent(shape) and _alone(service, site)):
        return
    # Of groups that are too large one is named, with the reason.
    fitting = [size for size in ranks if size * (given or 1) <= gpus] or ranks[:1]
    for tensor in fitting:
        most = range(2, gpus // tensor + 1)
        for data in [given] if given else [size for size in most if gpus % (tensor * size) == 0]:
            yield Split(tensor, 1, True, data, service.decode_context_parallel_size or 1)


def _alone(service: ServiceSpec, site: Site) -> bool:
    return len(site.servers) == 1 and (service.pipeline_parallel_size or 1) == 1


def undealt(split: Split, shape: Shape, can: Splits) -> str:
    """Why experts, or the tokens of a cache, cannot be dealt so; empty where they can."""
    if not split.expert_parallel and split.context == 1:
        return ""
    if shape.experts and split.expert_parallel:
        if shape.architecture in CUT_ALONE:
            return "vLLM divides experts of this model over ranks, and deals none whole"
        count, ranks = shape.experts.count, split.expert_ranks
        if count < ranks:
            return f"{count} experts are too few for {ranks} ranks"
        if count % ranks and (not can.uneven or shape.architecture in EVEN_ALONE):
            return f"{count} experts do not divide that way"
    if split.context == 1:
        return ""
    if split.tensor % split.context:
        return f"tokens are not dealt over {split.context} of {split.tensor} ranks, that is no part"
    return _undealt_tokens(shape)


@lru_cache(maxsize=4096)
def _undealt_tokens(shape: Shape) -> str:
    """Why no group can deal the tokens of this cache."""
    kept = _kept(shape)
    if not is_latent(shape):
        return "tokens are dealt over ranks where attention is latent alone"
    if any(kv.pages or kv.window or kv.state_bytes for kv in kept):
        return "tokens of windows and of linear attention are not dealt over ranks"
    if any(kv.beside_bytes for kv in kept):
        # FlashAttention's sparse kernel refuses it, FlashMLA's wants an FP8 cache and few heads.
        return "tokens that an indexer chooses of are not dealt over ranks"
    return ""


def _kept(shape: Shape) -> tuple[KvCache, ...]:
    return tuple(layer.kv for layer in shape.kinds if layer.kv.kind != "none")

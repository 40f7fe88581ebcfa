"""How a model is divided over GPUs, and what the engine is told beside that."""

from __future__ import annotations

from typing import NamedTuple

GIB = 1024**3


class Split(NamedTuple):
    """Ranks in a tensor parallel group, pipeline stages, and whether ranks hold whole experts.

    ``data`` groups of ranks each have attention of their own, with a cache and requests of their
    own, and share the experts among all of them. ``context`` is over how many ranks of a group each
    request's tokens are dealt in the KV cache (decode context parallel), which take no more GPUs.
    """

    tensor: int = 1
    pipeline: int = 1
    expert_parallel: bool = False
    data: int = 1
    context: int = 1

    @property
    def gpus(self) -> int:
        """GPUs of one replica."""
        return self.tensor * self.pipeline * self.data

    @property
    def expert_ranks(self) -> int:
        """Ranks of a stage over which experts are dealt, whole or in slices.

        Source: FusedMoEParallelConfig.make in vllm/model_executor/layers/fused_moe/config.py, 0.32.
        """
        return self.tensor * self.data


class Limits(NamedTuple):
    """What bounds one engine: its share of a GPU, its largest step, its longest request.

    ``enforce_eager`` does without CUDA graphs.
    """

    gpu_memory_utilization: float
    max_num_seqs: int
    max_num_batched_tokens: int
    max_model_len: int
    kv_cache_dtype: str = "auto"
    enforce_eager: bool = False


def stage_layers(layers: int, stages: int) -> list[int]:
    """Layers of each pipeline stage; the remainder goes to the last stages but one.

    Source: get_pp_indices in vllm/distributed/utils.py, vLLM 0.26 and 0.32.
    """
    each, rest = divmod(layers, stages)
    dealt = [each] * stages
    for i in range(2, rest + 2):
        dealt[-i] += 1
    return dealt


def stage_range(layers: int, stages: int, stage: int) -> range:
    """The layer numbers of pipeline stage ``stage`` (0-based)."""
    dealt = stage_layers(layers, stages)
    start = sum(dealt[:stage])
    return range(start, start + dealt[stage])

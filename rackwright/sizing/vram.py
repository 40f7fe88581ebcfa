"""The memory of one GPU, by what takes it. Engines account for it in ways of their own."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class GpuMemory(BaseModel):
    """Memory of one GPU of a replica, the fullest of them.

    ``total_bytes`` is what CUDA reports; ``usable_bytes`` the engine's share of it. Of
    ``cuda_graph_bytes`` the engine takes ``graphs_inside_bytes`` off that share, the rest lies
    outside, as ``context_bytes`` do. ``kv_cache_bytes`` below 0 is what is missing.
    ``kv_cache_tokens`` is of the replica, as vLLM counts them: with requests of the longest
    context; both are 0 of a model that keeps nothing of a token. ``sequences`` is how many such
    requests fit at once (of what transcribes more than the tokens say, which vLLM counts with a
    whole step of sound). ``kv_cache_blocks`` are those that vLLM makes of the cache, on each GPU.
    ``margin_bytes`` of what is free may be taken by kernels, as far as the engine itself expects.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    total_bytes: int
    usable_bytes: int
    weights_bytes: int
    peak_activation_bytes: int
    cuda_graph_bytes: int
    graphs_inside_bytes: int
    overhead_bytes: int
    context_bytes: int
    kv_cache_bytes: int
    kv_cache_tokens: int
    sequences: int
    kv_cache_blocks: int = 0
    margin_bytes: int = 0

    @property
    def working_bytes(self) -> int:
        """Activations at their peak, and what CUDA and NCCL keep."""
        return self.peak_activation_bytes + self.overhead_bytes + self.context_bytes

    @property
    def has_cache(self) -> bool:
        """Whether the engine makes a KV cache of what is left of its share."""
        return bool(self.kv_cache_tokens or self.kv_cache_bytes)

    @property
    def unused_bytes(self) -> int:
        """What is left for nobody: beside the engine, and of its share where it has no cache."""
        taken = self.weights_bytes + self.peak_activation_bytes + self.overhead_bytes
        own = 0 if self.has_cache else self.usable_bytes - taken - self.graphs_inside_bytes
        return self.free_bytes + own

    @property
    def outside_bytes(self) -> int:
        """What the engine takes beside its share of the memory."""
        return self.cuda_graph_bytes - self.graphs_inside_bytes + self.context_bytes

    @property
    def free_bytes(self) -> int:
        """What stays unused beside the engine: negative when graphs do not fit."""
        return self.total_bytes - self.usable_bytes - self.outside_bytes

"""The ways an engine can divide a model, as a value that the layouts read."""

from __future__ import annotations

from dataclasses import dataclass

_KEYS = {
    "tensor": "tensor_parallel_size",
    "pipeline": "pipeline_parallel_size",
    "expert": "expert_parallel",
    "data": "data_parallel_size",
    "context": "decode_context_parallel_size",
    "by_layers": "pipeline_parallel_size",
    "servers": "servers_per_replica",
}


@dataclass(frozen=True)
class Splits:
    """What an engine can do; no layout has a split that its engine cannot.

    ``tensor`` divides layers over ranks, ``pipeline`` the layers over stages, ``expert`` gives each
    rank whole experts, ``uneven`` also where some get one more than others. ``data`` gives groups
    of ranks attention and requests of their own, while all of them share the experts. ``context``
    deals a request's tokens in the KV cache over ranks. ``by_layers`` deals layers to as few GPUs
    as hold them, and excludes all of these; ``unequal``: GPUs of several sizes get as much as each
    holds. ``servers``: one replica may take several servers.
    """

    tensor: bool = False
    pipeline: bool = False
    expert: bool = False
    uneven: bool = False
    data: bool = False
    context: bool = False
    by_layers: bool = False
    unequal: bool = False
    servers: bool = False

    def __post_init__(self) -> None:
        """Raises ValueError where one split needs or excludes another."""
        if self.by_layers and (self.tensor or self.pipeline or self.expert or self.servers):
            raise ValueError("by_layers deals layers to GPUs, leave out what splits by ranks")
        if self.unequal and not self.by_layers:
            raise ValueError("unequal deals whole layers, it needs by_layers")
        if self.expert and not self.tensor:
            raise ValueError("expert gives whole experts to tensor parallel ranks, it needs tensor")
        if (self.data or self.uneven) and not self.expert:
            raise ValueError("data and uneven deal whole experts, they need expert")
        if self.context and not self.tensor:
            raise ValueError("context deals tokens to tensor parallel ranks, it needs tensor")
        if self.servers and not (self.tensor or self.pipeline):
            raise ValueError("servers needs tensor or pipeline, nothing else goes over a network")

    @property
    def keys(self) -> frozenset[str]:
        """The keys of a service that ask for what the engine can do."""
        return frozenset(key for split, key in _KEYS.items() if getattr(self, split))

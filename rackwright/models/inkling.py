"""Inkling: attention without positions, short convolutions on four streams, experts beside sinks.

Source: vllm/models/inkling (configs.py, nvidia/model.py, attention.py, sconv_swa_attn.py, moe.py),
0.32. The release's sizes make as many elements as transformers 5.24 counts on ``meta``.
"""

from __future__ import annotations

from collections.abc import Iterator

from rackwright.models.config import Config
from rackwright.models.decoder import EXPERTS, KV, RANKS, Decoder
from rackwright.models.family import Family
from rackwright.models.shape import Experts, KvCache, Layer, Tensor

Keys = tuple[tuple[str, ...], tuple[str, ...]]
WIDTHS: Keys = (("dense_intermediate_size", "intermediate_size"), ("intermediate_size",))
"""Keys of the widths of dense layers and of experts, as the maker has them."""
RENAMED: Keys = (("intermediate_size",), ("moe_intermediate_size",))
"""The same where transformers saved them."""
ROUTED_PADDING = 8


class Inkling(Decoder):
    """Reads the layers of one Inkling. Each counts as two: what was convolved, and the rest."""

    def __init__(self, config: Config, family: Family) -> None:
        """What transformers 5 saves of it alone is not read by the engine's own class."""
        super().__init__(config, family)
        for key, instead, one in (
            ("dense_mlp_idx", "mlp_layer_types", "dense"),
            ("local_layer_ids", "layer_types", "hybrid_sliding"),
        ):
            kinds = config.values.get(instead)
            if config.values.get(key) is None and isinstance(kinds, list) and one in kinds:
                rule = f"is required: vLLM 0.32 does not read {instead}, which transformers 5 saves"
                config.fault(key, f"{rule} instead")

    def layers(self) -> tuple[Layer, ...]:
        """Of each layer its convolutions' cache, then the rest; a few kinds of both."""
        near = self.config.indexes("local_layer_ids")
        kinds = [(at in near, at >= self._first()) for at in range(self.count)]
        made = {kind: self._both(*kind) for kind in dict.fromkeys(kinds)}
        return tuple(part for kind in kinds for part in made[kind])

    def beside(self) -> tuple[Tensor, ...]:
        """The table of words is whole on every rank, beside the share that is counted elsewhere."""
        words = self.config.count("vocab_size")
        whole = Tensor("embed_tokens.whole", words, self.hidden, stored=False)
        norm = self.hidden if self.config.flag("use_embed_norm") else 0
        return (*super().beside(), whole, Tensor("embed_norm", norm))

    def rotary(self) -> Tensor:
        """None: distances are learned."""
        return Tensor("rotary", 0, stored=False)

    def widths(self) -> dict[str, int]:
        """What ranks must divide: KV heads too, for convolutions are cut by whole ones."""
        heads, kept, _ = self._heads(near=True)
        own = {"heads of windows": heads, "KV heads": self.kv_heads, "KV heads of windows": kept}
        return {**super().widths(), **own}

    def _first(self) -> int:
        """The first layer with experts."""
        return self.config.layer("dense_mlp_idx")

    def _sparse(self) -> list[bool]:
        return [at >= self._first() for at in range(self.count)]

    def _keys(self) -> Keys:
        own = self.config.values
        saved = own.get("moe_intermediate_size") and not own.get("dense_intermediate_size")
        return RENAMED if saved else WIDTHS

    def _dense_width(self) -> int:
        return self.config.count(*self._keys()[0])

    def _experts(self) -> Experts | None:
        count = self.config.count
        routed, active = count("n_routed_experts"), count("num_experts_per_tok")
        if active > routed:
            rule = f"must be at most n_routed_experts {routed}"
            by = ("n_routed_experts",)
            self.config.fault("num_experts_per_tok", rule, active, by=by)
        return Experts(routed, active, count(*self._keys()[1]))

    def _shared_width(self) -> int:
        shared = self.config.optional("n_shared_experts") or 0
        return shared * self.experts.width if self.experts else 0

    def _heads(self, near: bool) -> tuple[int, int, int]:
        """Heads, KV heads and the width of one, in layers of a window or in the others."""
        if not near:
            return self.heads, self.kv_heads, self.head_dim
        count = self.config.count
        heads = count("swa_num_attention_heads", default=self.heads)
        kept = count("swa_num_key_value_heads", default=self.kv_heads)
        return heads, kept, count("swa_head_dim", default=self.head_dim)

    def _kernel(self) -> int:
        return self.config.count("sconv_kernel_size", "conv_kernel_size", default=4)

    def _both(self, near: bool, sparse: bool) -> tuple[Layer, Layer]:
        heads, kept, head = self._heads(near)
        tensors = [*self._attends(near), Tensor("norms", 2 * self.hidden)]
        experts = self.experts if sparse else None
        tensors += self._routed(experts) if experts else self._dense()
        width = self._shared_width() if sparse else self.dense_width
        window = self.config.count("sliding_window_size", default=512) if near else None
        cache = KvCache(kept, 2 * head, window=window)
        wide = heads * head
        rest = Layer(tuple(tensors), cache, width, wide, wide, experts=experts)
        return self._convolves(kept, head), rest

    def _convolves(self, kept: int, head: int) -> Layer:
        """Keys, values and two outputs of the last few tokens, by KV heads, padded."""
        hidden, kernel = self.hidden, self._kernel()
        packed = 2 * head + 2 * (hidden // kept)
        tensors = (
            Tensor("self_attn.sconv", 2 * kept * head, kernel, KV),
            Tensor("sconv", 2 * hidden, kernel, RANKS),
        )
        cache = KvCache(kept, 1 << (packed - 1).bit_length(), window=kernel)
        return Layer(tensors, cache, 0, 0, 0)

    def _attends(self, near: bool) -> Iterator[Tensor]:
        """Queries, keys, values and what distances are told by are one product in the engine."""
        heads, kept, head = self._heads(near)
        hidden, told = self.hidden, self.config.count("d_rel", default=16)
        far = "sliding_window_size" if near else "rel_extent"
        extent = self.config.count(far, default=512 if near else 1024)
        yield Tensor("self_attn.q_proj", heads * head, hidden, RANKS, quantizable=True)
        yield Tensor("self_attn.k_proj", kept * head, hidden, KV, quantizable=True)
        yield Tensor("self_attn.v_proj", kept * head, hidden, KV, quantizable=True)
        yield Tensor("self_attn.r_proj", heads * told, hidden, RANKS, quantizable=True)
        yield Tensor("self_attn.o_proj", hidden, heads * head, RANKS, quantizable=True)
        yield Tensor("self_attn.norms", 2 * head)
        yield Tensor("self_attn.rel_logits_proj", told, extent)

    def _dense(self) -> Iterator[Tensor]:
        yield from self._mlp("mlp", self.dense_width)
        if self.config.flag("use_global_scale"):
            yield Tensor("mlp.global_scale", 1)

    def _routed(self, experts: Experts) -> Iterator[Tensor]:
        """The router scores sinks too; those are never quantized."""
        count, width, hidden = experts.count, experts.width, self.hidden
        scored = count + (self.config.optional("n_shared_experts") or 0)
        yield Tensor("mlp.gate", scored, hidden)
        yield Tensor("mlp.gate.pad", -scored % ROUTED_PADDING, hidden, stored=False)
        if self.config.flag("use_gate_bias"):
            yield Tensor("mlp.gate.e_score_correction_bias", count, dtype="float32")
        if self.config.flag("use_global_scale"):
            yield Tensor("mlp.gate.global_scale", 1, dtype="float32")
        for name, rows, columns in (
            ("gate_proj", width, hidden),
            ("up_proj", width, hidden),
            ("down_proj", hidden, width),
        ):
            whole = f"mlp.experts.{name}"
            yield Tensor(whole, rows, columns, EXPERTS, count, quantizable=True)
        if shared := self._shared_width():
            yield Tensor("mlp.shared_experts.w13", 2 * shared, hidden, RANKS)
            yield Tensor("mlp.shared_experts.down_proj", hidden, shared, RANKS)

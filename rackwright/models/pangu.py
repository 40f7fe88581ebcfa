"""openPangu: dense ones with biases, and mixtures of experts as DeepSeek V3 made them.

Some have tokens that are learned and stand before all others: then keys and values are of widths of
their own. Those tokens take their blocks from the pool once (128 tokens are the most that is
known), which is not counted.
Source: OpenPanguDecoderLayer, OpenPanguSinkAttention and OpenPanguMoE in
vllm/model_executor/models/openpangu.py, 0.32.
"""

from __future__ import annotations

from collections.abc import Iterator

from rackwright.models.config import Config
from rackwright.models.decoder import KV, RANKS, Decoder
from rackwright.models.family import Family
from rackwright.models.shape import Experts, KvCache, Tensor
from rackwright.models.unknown import BY_HAND

SINKS = "param_sink_number"
LATENT = "kv_lora_rank"


class Pangu(Decoder):
    """Reads the layers of one openPangu. Norms also stand behind where they are ``sandwich``."""

    def __init__(self, config: Config, family: Family) -> None:
        """Whether it has learned tokens. Those whose attention may be latent are read as they are
        released: Ultra as latent, others as not.
        """
        self.sinks = config.optional(SINKS) or 0
        if self.sinks and family.latent:
            rule = f"must be 0: such tokens are not judged; {BY_HAND}"
            config.fault(SINKS, rule, self.sinks)
        if not family.latent and config.values.get(LATENT) is not None:
            rule = f"must be left out: latent attention of such a model is not judged; {BY_HAND}"
            config.fault(LATENT, rule, config.values[LATENT])
        super().__init__(config, family)
        if self.sinks and not family.latent:
            self.turned = config.count("qk_rope_dim")
            self.head_dim = config.count("qk_nope_dim") + self.turned
            self.value = config.count("v_channels")

    def rotary(self) -> Tensor:
        """Of what is turned of a key, where it names that."""
        if not self.sinks or self.family.latent:
            return super().rotary()
        return Tensor("rotary", self.rope.positions, self.turned, stored=False)

    def widths(self) -> dict[str, int]:
        """What ranks must divide: beside learned tokens KV heads too, never held twice then."""
        return {**super().widths(), **({"KV heads": self.kv_heads} if self.sinks else {})}

    def _attention(self) -> Iterator[Tensor]:
        if not self.sinks:
            yield from super()._attention()
            return
        keys, values = self.kv_heads * self.head_dim, self.kv_heads * self.value
        queries, summed = self.heads * self.head_dim, self.heads * self.value
        bias, output_bias = self._biases()
        yield Tensor("self_attn.q_proj", queries, self.hidden, RANKS, quantizable=True)
        yield Tensor("self_attn.k_proj", keys, self.hidden, KV, quantizable=True)
        yield Tensor("self_attn.v_proj", values, self.hidden, KV, quantizable=True)
        yield Tensor("self_attn.o_proj", self.hidden, summed, RANKS, quantizable=True)
        yield Tensor("self_attn.k_layernorm", self.head_dim)
        yield Tensor("self_attn.param_sink_key", keys, self.sinks, KV)
        own = self.config.flag("param_sink_with_value")
        yield Tensor("self_attn.param_sink_value", values, self.sinks, KV, stored=own)
        if bias:
            yield Tensor("self_attn.q_proj.bias", queries, sharding=RANKS)
            yield Tensor("self_attn.kv_proj.bias", keys + values, sharding=KV)
        if output_bias:
            yield Tensor("self_attn.o_proj.bias", self.hidden)

    def _attention_widths(self) -> tuple[int, int, int]:
        if not self.sinks or self.family.latent:
            return super()._attention_widths()
        return self.heads * self.head_dim, self.heads * self.value, 0

    def _kv(self, window: int | None, indexed: bool) -> KvCache:
        if not self.sinks or self.family.latent:
            return super()._kv(window, indexed)
        return KvCache(self.kv_heads, self.head_dim + self.value)

    def _biases(self) -> tuple[bool, bool]:
        every = self.config.flag("attention_bias") or self.config.flag("bias")
        return self.config.flag("qkv_bias", every), every

    def _norms(self) -> Iterator[Tensor]:
        count = 4 if self.config.flag("sandwich_norm") else 2
        yield Tensor("norms", self.norm_elements * count)

    def _routed(self, experts: Experts) -> Iterator[Tensor]:
        biased = self.config.flag("router_enable_expert_bias")
        for tensor in super()._routed(experts):
            if biased or not tensor.name.endswith("e_score_correction_bias"):
                yield tensor

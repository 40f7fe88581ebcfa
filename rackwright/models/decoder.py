"""The layers of a decoder, tensor by tensor, from its family and its ``config.json``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain

from rackwright.models.config import HEADS, HIDDEN, LAYERS, Config
from rackwright.models.family import Family
from rackwright.models.projection import projected
from rackwright.models.quantization import DTYPE_BYTES
from rackwright.models.rope import read_rope
from rackwright.models.shape import Experts, KvCache, Layer, Shape, Sharding, Tensor

MOST_LAYERS = 1000
STEPS = ("decoder_sparse_step", "moe_layer_freq", "interleave_moe_layer_step")
"""Keys of how many layers there are to one with experts."""
EXPERTS_KEYS = ("num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts")
"""What configs call how many experts there are. transformers 5 saves a model that it read under
another of them than its maker did (its ``attribute_map``); the engine takes any.
"""
ACTIVE_KEYS = ("num_experts_per_tok", "moe_topk", "moe_k", "num_experts_per_token")
"""The same of how many of them a token passes."""
INDEX_BLOCK = 128
"""Dimensions of an indexer's key that share a scale."""
INDEXED = ("deepseek_sparse_attention", "indexed_attention")
"""What ``layer_types`` calls layers with an indexer, before and since transformers 5."""
PACKED_POSITIONS = 64
"""Turned dimensions of a latent token that is packed in FP8."""
RANKS, KV, EXPERTS = Sharding.RANKS, Sharding.KV_HEADS, Sharding.EXPERTS


class Decoder:
    """Reads the layers of one model. ``config`` collects what is wrong with its figures."""

    def __init__(self, config: Config, family: Family) -> None:
        """Reads the figures that all layers share."""
        self.config, self.family = config, family
        self.hidden = config.count(*HIDDEN)
        self.heads = config.count(*HEADS)
        listed = config.values.get("layers_block_type")
        usual = len(listed) if isinstance(listed, list) else None
        self.count = config.count(*LAYERS, default=usual, most=MOST_LAYERS)
        self.kv_heads = config.count("num_key_value_heads", default=self.heads)
        usual = max(1, self.hidden // self.heads)
        self.head_dim = usual
        if not family.latent:
            self.head_dim = config.count("head_dim", "attention_head_dim", default=usual)
        self.rope = read_rope(config, family.scaled_context)
        self.experts = self._experts()
        dense = not all(self._sparse())
        self.dense_width = self._dense_width() if dense else 0
        if self.heads % self.kv_heads:
            rule = f"must divide num_attention_heads {self.heads}"
            config.fault("num_key_value_heads", rule, self.kv_heads, by=HEADS)

    @property
    def norm_elements(self) -> int:
        """Of one norm over the hidden size."""
        return self.hidden * (2 if self.family.norm_bias else 1)

    def layers(self) -> tuple[Layer, ...]:
        """Every layer in order; equal layers are one and the same value."""
        kinds = list(
            zip(self._linear(), self._windows(), self._sparse(), self._indexed(), strict=True)
        )
        made = {kind: self._layer(*kind) for kind in dict.fromkeys(kinds)}
        return tuple(made[kind] for kind in kinds)

    def beside(self) -> tuple[Tensor, ...]:
        """What stands beside the embedding table on the first stage."""
        family, hidden, found = self.family, self.hidden, []
        if family.positions:
            rows = self.config.count("max_position_embeddings", "n_positions")
            beyond = 0 if family.encoder else family.positions_skip
            found.append(Tensor("position_embeddings", rows + beyond, hidden))
        if family.types:
            found.append(Tensor("token_types", self.config.count("type_vocab_size"), hidden))
        if family.head_bias:
            vocabulary = self.config.count("vocab_size")
            found.append(Tensor("lm_head.bias", vocabulary, 1, Sharding.VOCABULARY))
        if family.answer in ("score", "projected"):
            name = "score" if family.answer == "score" else "linear"
            found.append(Tensor(name, self._labels(), hidden))
        if family.answer in ("rewarded", "judged"):
            found.append(Tensor("score.0", hidden, hidden + 1, RANKS))
            found.append(Tensor("score.2", 1 if family.answer == "rewarded" else 2, hidden + 1))
        if family.answer == "valued":
            found.append(Tensor("v_head", 1, hidden, dtype="float32"))
        if family.answer == "ranked":
            found.append(Tensor("score.dense", hidden, hidden + 1, RANKS, dtype="float32"))
            found.append(Tensor("score", 1, hidden + 1, dtype="float32"))
        if family.embedding_norm:
            found.append(Tensor("embedding_norm", self.norm_elements))
        if family.projection:
            found += projected(self.config, family.projection, hidden)
        return tuple(found)

    def seams(self) -> tuple[int, ...]:
        """Layers that a stage may begin with, where not all may; empty where all may."""
        return ()

    def hearing(self, shape: Shape) -> Shape:
        """The model with what it hears by, where that is no tower of a wrapper."""
        return shape

    def _labels(self) -> int:
        """How many scores: transformers writes their names, and takes two where there are none."""
        names = self.config.values.get("id2label")
        return self.config.count(
            "num_labels", default=len(names) if isinstance(names, Mapping) and names else 2
        )

    def _dense_width(self) -> int:
        times = self.family.mlp_times
        usual = times * self.hidden if times else None
        return self.config.count(self.family.mlp_width, "n_inner", "ffn_dim", default=usual)

    def rotary(self) -> Tensor:
        """Sines and cosines of every position, as far as the model's scaling stretches them."""
        if self.family.positions:
            return Tensor("rotary", 0, stored=False)
        width = self._latent_sizes()[1] if self.family.latent else self.head_dim
        reach = self.family.section_reach if self.rope.sections else 1
        return Tensor("rotary", reach * self.rope.positions, width, stored=False)

    def widths(self) -> dict[str, int]:
        """What tensor parallel sizes must divide, besides heads, by what it is called."""
        found = {}
        if self.dense_width:
            found["MLP width"] = self.dense_width
        if self.experts and self._shared_width():
            found["shared expert width"] = self._shared_width()
        if any(self._linear()):
            found["linear attention heads"] = self._linear_heads()
        return found

    def _layer(self, linear: bool, window: int | None, sparse: bool, indexed: bool) -> Layer:
        attention = self._attention()
        if linear:
            attention = self._delta()
        elif self.family.latent:
            attention = chain(self._latent(), self._indexer() if indexed else ())
        experts = self.experts if sparse else None
        tensors = [*attention, *self._norms()]
        if experts:
            tensors += self._routed(experts)
        else:
            tensors += self._mlp("mlp", self.dense_width)
        width = self._shared_width() if sparse else self.dense_width
        kept = self._state() if linear else self._kv(window, indexed)
        return Layer(tuple(tensors), kept, width, *self._attention_widths(), experts)

    def _norms(self) -> Iterator[Tensor]:
        yield Tensor("norms", self.norm_elements * self.family.norms)

    def _attention(self) -> Iterator[Tensor]:
        queries, keys = self.heads * self.head_dim, self.kv_heads * self.head_dim
        bias, output_bias = self._biases()
        gate = 2 if self.family.gated_query else 1
        yield Tensor("self_attn.q_proj", gate * queries, self.hidden, RANKS, quantizable=True)
        yield Tensor("self_attn.k_proj", keys, self.hidden, KV, quantizable=True)
        yield Tensor("self_attn.v_proj", keys, self.hidden, KV, quantizable=True)
        yield Tensor("self_attn.o_proj", self.hidden, queries, RANKS, quantizable=True)
        if bias:
            yield Tensor("self_attn.q_proj.bias", queries, sharding=RANKS)
            yield Tensor("self_attn.kv_proj.bias", 2 * keys, sharding=KV)
        if output_bias:
            yield Tensor("self_attn.o_proj.bias", self.hidden)
        if normed := self._qk_norm():
            each = normed == "head"
            yield Tensor("self_attn.q_norm", self.head_dim if each else queries)
            yield Tensor("self_attn.k_norm", self.head_dim if each else keys)
        if self.family.sinks:
            yield Tensor("self_attn.sinks", self.heads, sharding=RANKS)

    def _biases(self) -> tuple[bool, bool]:
        family = self.family
        if not family.reads_attention_bias:
            return family.qkv_bias, family.output_bias
        bias = self.config.flag(family.bias_key, family.qkv_bias)
        return bias, bias if family.output_follows_bias else family.output_bias

    def _qk_norm(self) -> str:
        """What norms of queries and keys are of: one head, or all; empty where there are none."""
        key = self.family.qk_norm_key
        return self.family.qk_norm if not key or self.config.flag(key) else ""

    def _latent(self) -> Iterator[Tensor]:
        """Multi-head latent attention (DeepSeek-V2, arXiv:2405.04434, section 2.1).

        To multiply the up-projection of keys and values into queries and outputs while decoding,
        the engine holds it a second time in the model's dtype: the values always, the keys where
        they are quantized (deepseek-v2-lite and deepseek-v3-5-layers of tests/data/h200x1).
        """
        nope, rope, value, rank = self._latent_sizes()
        queries = self.heads * (nope + rope)
        if query_rank := self.config.optional("q_lora_rank"):
            yield Tensor("self_attn.q_a_proj", query_rank, self.hidden, quantizable=True)
            yield Tensor("self_attn.q_a_layernorm", query_rank)
            yield Tensor("self_attn.q_b_proj", queries, query_rank, RANKS, quantizable=True)
        else:
            yield Tensor("self_attn.q_proj", queries, self.hidden, RANKS, quantizable=True)
        yield Tensor("self_attn.kv_a_proj_with_mqa", rank + rope, self.hidden, quantizable=True)
        yield Tensor("self_attn.kv_a_layernorm", rank)
        keys, values = self.heads * nope, self.heads * value
        yield Tensor("self_attn.kv_b_proj", keys + values, rank, RANKS, quantizable=True)
        yield Tensor("self_attn.kv_b_proj.values", values, rank, RANKS, stored=False)
        yield Tensor("self_attn.kv_b_proj.keys", keys, rank, RANKS, stored=False, if_quantized=True)
        output = self.heads * value
        yield Tensor("self_attn.o_proj", self.hidden, output, RANKS, quantizable=True)

    def _indexer(self) -> Iterator[Tensor]:
        """Sparse attention's choice of tokens, whole on every rank (DeepSeek-V3.2-Exp, 2025).

        Source: DeepseekV32Indexer in vllm/models/deepseek_v32/attention.py, 0.32. Keys and weights
        are one product there, which is never quantized.
        """
        heads, head = self.config.count("index_n_heads"), self.config.count("index_head_dim")
        rank = self.config.count("q_lora_rank")
        yield Tensor("self_attn.indexer.wq_b", heads * head, rank, quantizable=True)
        yield Tensor("self_attn.indexer.wk_weights_proj", head + heads, self.hidden)
        yield Tensor("self_attn.indexer.k_norm", 2 * head, dtype="float32")

    def _index_bytes(self) -> int:
        """A key of 8 bits a dimension and a float32 scale for each 128 of them (the same place)."""
        head = self.config.count("index_head_dim")
        return head + head // INDEX_BLOCK * 4

    def _indexed(self) -> list[bool]:
        """Which layers choose tokens themselves; the others take what the last of those chose."""
        if not self.family.indexer:
            return [False] * self.count
        if pattern := self.config.text("index_topk_pattern"):
            return [kind != "S" for kind in pattern.ljust(self.count)[: self.count]]
        every = self.config.count("index_topk_freq", default=1)
        start = self.config.layer("index_skip_topk_offset") or 2
        return [max(layer - start + 1, 0) % every == 0 for layer in range(self.count)]

    def _linear_heads(self) -> int:
        return self.config.count("linear_num_key_heads")

    def _delta(self) -> Iterator[Tensor]:
        """Gated delta net, the linear attention of Qwen3-Next (arXiv:2412.06464)."""
        keys, values, heads, kernel = self._delta_sizes()
        hidden = self.hidden
        mixed = 2 * keys + 2 * values
        yield Tensor("linear_attn.in_proj_qkvz", mixed, hidden, RANKS, quantizable=True)
        yield Tensor("linear_attn.in_proj_ba", 2 * heads, hidden, RANKS)
        yield Tensor("linear_attn.conv1d", 2 * keys + values, kernel, RANKS)
        yield Tensor("linear_attn.A_log", heads, sharding=RANKS, dtype="float32")
        yield Tensor("linear_attn.dt_bias", heads, sharding=RANKS)
        yield Tensor("linear_attn.norm", values // heads)
        yield Tensor("linear_attn.out_proj", hidden, values, RANKS, quantizable=True)

    def _delta_sizes(self) -> tuple[int, int, int, int]:
        """Width of all keys, width of all values, value heads, tokens the convolution sees."""
        count = self.config.count
        heads = count("linear_num_value_heads")
        keys = count("linear_num_key_heads") * count("linear_key_head_dim")
        values = heads * count("linear_value_head_dim")
        return keys, values, heads, count("linear_conv_kernel_dim")

    def _state(self) -> KvCache:
        """A matrix a value head, and the tokens that the convolution has yet to see."""
        keys, values, _, kernel = self._delta_sizes()
        matrix = values * self.config.count("linear_key_head_dim")
        size = DTYPE_BYTES.get(self.config.text("mamba_ssm_dtype", "bfloat16"), 2)
        window = (2 * keys + values) * (kernel - 1) * 2
        return KvCache(0, 0, state_bytes=matrix * size + window)

    def _latent_sizes(self) -> tuple[int, int, int, int]:
        count = self.config.count
        unturned = self.config.values.get("qk_rope_head_dim") == 0
        nope, rope = count("qk_nope_head_dim"), 0 if unturned else count("qk_rope_head_dim")
        return nope, rope, count("v_head_dim"), count("kv_lora_rank")

    def _attention_widths(self) -> tuple[int, int, int]:
        """Of all heads: queries, attention's own sums, and what is unfolded of a latent token."""
        if not self.family.latent:
            width = self.heads * self.head_dim
            return width, width, 0
        nope, rope, value, rank = self._latent_sizes()
        return self.heads * (nope + rope), self.heads * rank, self.heads * (nope + value)

    def _kv(self, window: int | None, indexed: bool) -> KvCache:
        if self.family.latent:
            _, rope, _, rank = self._latent_sizes()
            beside = self._index_bytes() if indexed else 0
            packed = _packed_bytes(rank) if self.family.indexer else 0
            return KvCache(1, rank + rope, latent=True, beside_bytes=beside, fp8_bytes=packed)
        if self._reads_at_once():
            return KvCache(self.kv_heads, 0)
        return KvCache(self.kv_heads, 2 * self.head_dim, window=window)

    def _reads_at_once(self) -> bool:
        """Whether every token sees all others: then nothing is kept (EncoderOnlyAttention).

        Source: ``is_causal`` in vllm/model_executor/models/llama.py, qwen2.py, qwen3.py, gemma3.py;
        Gemma3TextModelConfig in models/config.py, 0.32.
        """
        both = self.config.values.get("use_bidirectional_attention") is True
        return (both and self.family.headless) or not self.config.flag("is_causal", True)

    def _mlp(self, name: str, width: int) -> Iterator[Tensor]:
        if self.family.mlp == "gated":
            yield Tensor(f"{name}.gate_proj", width, self.hidden, RANKS, quantizable=True)
        yield Tensor(f"{name}.up_proj", width, self.hidden, RANKS, quantizable=True)
        yield Tensor(f"{name}.down_proj", self.hidden, width, RANKS, quantizable=True)
        if self.config.flag("mlp_bias", self.family.mlp_bias):
            halves = 2 if self.family.mlp == "gated" else 1
            yield Tensor(f"{name}.gate_up.bias", halves * width, sharding=RANKS)
            yield Tensor(f"{name}.down_proj.bias", self.hidden)
        if self.family.activation:
            yield Tensor(f"{name}.act_fn", self.family.activation)

    def _routed(self, experts: Experts) -> Iterator[Tensor]:
        count, width, hidden = experts.count, experts.width, self.hidden
        family = self.family
        yield Tensor("mlp.gate", count, hidden)
        if family.router_bias:
            yield Tensor("mlp.gate.bias", count)
        if family.score_bias:
            yield Tensor("mlp.gate.e_score_correction_bias", count, dtype="float32")
        for name, rows, columns in (
            ("gate_proj", width, hidden),
            ("up_proj", width, hidden),
            ("down_proj", hidden, width),
        ):
            yield Tensor(f"mlp.experts.{name}", rows, columns, EXPERTS, count, quantizable=True)
        if family.expert_bias:
            yield Tensor("mlp.experts.gate_up.bias", 2 * width, 1, EXPERTS, count)
            yield Tensor("mlp.experts.down.bias", hidden, 1, EXPERTS, count)
        if shared := self._shared_width():
            yield from self._mlp("mlp.shared_experts", shared)
        if family.shared_gate:
            yield Tensor("mlp.shared_expert_gate", 1, hidden)

    def _experts(self) -> Experts | None:
        family, config = self.family, self.config
        if not family.experts:
            return None
        named = config.first(family.experts, *EXPERTS_KEYS)
        optional = family.experts_beside or family.may_be_dense
        if optional and not config.values.get(named):
            return None
        chosen = config.first(family.active, *ACTIVE_KEYS)
        count = config.count(named)
        wrong = config.values.get(named) is not None and named in config.broken
        missing = 1 if wrong else None  # whether any are to be there is not known
        active = config.count(chosen, default=missing)
        width = config.count(family.expert_width, default=missing)
        if active > count and config.values.get(named):
            config.fault(chosen, f"must be at most {named} {count}", active, by=(named,))
        return Experts(count, active, width)

    def _shared_width(self) -> int:
        family, config = self.family, self.config
        if family.shared_width:
            return config.optional(family.shared_width) or 0
        if family.shared_count and self.experts:
            return (config.optional(family.shared_count) or 0) * self.experts.width
        return 0

    def _sparse(self) -> list[bool]:
        """Which layers have experts."""
        if not self.experts or self.family.experts_beside:
            return [False] * self.count
        config = self.config
        if types := config.names("mlp_layer_types", self.count):
            return [kind == "sparse" for kind in types]
        first = config.layer(self.family.dense_first) if self.family.dense_first else 0
        step = config.count(*STEPS, default=1)
        dense = config.indexes("mlp_only_layers")
        return [
            layer >= first and layer not in dense and _meets(self.family, layer, step)
            for layer in range(self.count)
        ]

    def _linear(self) -> list[bool]:
        """Which layers have linear attention."""
        if not self.family.linear:
            return [False] * self.count
        if types := self.config.names("layer_types", self.count):
            return [kind == "linear_attention" for kind in types]
        every = self.config.count("full_attention_interval", default=4)
        return [bool((layer + 1) % every) for layer in range(self.count)]

    def _windows(self) -> list[int | None]:
        """The sliding window of each layer; None for those that see everything."""
        key = "attention_chunk_size" if self.family.windows == "chunks" else "sliding_window"
        window = self.config.optional(key)
        if types := self.config.names("layer_types", self.count):
            known = {"full_attention", "sliding_attention"}
            known |= {"linear_attention"} if self.family.linear else set()
            known |= {"chunked_attention"} if self.family.windows == "chunks" else set()
            known |= set(INDEXED) if self.family.indexer else set()
            if unknown := set(types) - known:
                rule = f"must be {' or '.join(sorted(known))}"
                self.config.fault("layer_types", rule, sorted(unknown)[0])
            near = ("sliding_attention", "chunked_attention")
            return [window if kind in near else None for kind in types]
        return [window if self._slides(layer) else None for layer in range(self.count)]

    def _slides(self, layer: int) -> bool:
        kind, config = self.family.windows, self.config
        if kind == "chunks":
            return bool((layer + 1) % 4)
        if kind == "upper":
            return config.flag("use_sliding_window") and layer >= config.layer("max_window_layers")
        if kind == "from_first":
            return bool(layer % self.family.pattern)
        if kind == "pattern":
            every = config.count(
                "sliding_window_pattern", "_sliding_window_pattern", default=self.family.pattern
            )
            return bool((layer + 1) % every)
        return kind == "all" or (kind == "alternate" and layer % 2 == 0)


def _packed_bytes(rank: int) -> int:
    """A token of sparse latent attention in FP8: scales in float32, positions in 16 bits.

    ``fp8_ds_mla``, which FlashMLA takes on Hopper (656 bytes), with room for 64 positions also
    where there are none (vllm/v1/attention/backends/mla/flashmla_sparse.py, 0.32); on Blackwell the
    plain layout is a little smaller.
    """
    return rank + rank // INDEX_BLOCK * 4 + 2 * PACKED_POSITIONS


def _meets(family: Family, layer: int, step: int) -> bool:
    """DeepSeek counts layers from 0, Qwen from 1 (their own model code)."""
    return layer % step == 0 if family.dense_first else (layer + 1) % step == 0

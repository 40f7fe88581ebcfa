"""Models that answer with vectors, built otherwise than BERT: GTE, EmbeddingGemma, Llama both ways.

Source: vllm/model_executor/models/bert_with_rope.py (GteNewModel, JinaRobertaModel), gemma3.py,
llama.py, voyage.py, jina.py, and their classes in models/config.py, 0.32.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from rackwright.models.config import Config
from rackwright.models.decoder import RANKS, Decoder
from rackwright.models.encoder import Encoder
from rackwright.models.family import Family
from rackwright.models.shape import KvCache, Layer, Tensor


class Gte(Encoder):
    """Reads the layers of one GTE: of its MLP only what comes out has a bias."""

    def __init__(self, config: Config, family: Family) -> None:
        """Those of one kind of token alone may have no table of them."""
        self.untyped = config.values.get("type_vocab_size") == 0
        if self.untyped:
            config.values = {**config.values, "type_vocab_size": 1}
        super().__init__(config, family)

    def beside(self) -> tuple[Tensor, ...]:
        """Without a table of types where there is none."""
        return tuple(t for t in super().beside() if not (self.untyped and t.name == "token_types"))

    def _mlp(self, name: str, width: int) -> Iterator[Tensor]:
        yield from super()._mlp(name, width)
        yield Tensor(f"{name}.down_proj.bias", self.hidden)


class NomicBert(Encoder):
    """Reads the layers of one Nomic BERT: of some, each second layer has experts.

    Source: NomicMoE and BertWithRopeEncoder in bert_with_rope.py, NomicBertModelConfig in
    models/config.py. Ranks cut each expert's width, and have all of them.
    """

    def __init__(self, config: Config, family: Family) -> None:
        """``gelu`` is an MLP without a gate; biases are everywhere or nowhere."""
        kind = config.text("activation_function", "swiglu")
        if kind not in ("swiglu", "gelu"):
            config.fault("activation_function", "must be swiglu or gelu", kind)
        biased = config.flag("qkv_proj_bias")
        for key in ("mlp_fc1_bias", "mlp_fc2_bias"):
            if config.flag(key, biased) != biased:
                rule = "must be as qkv_proj_bias is: vLLM 0.32 starts with no other"
                config.fault(key, rule, not biased, by=("qkv_proj_bias",))
        if kind == "gelu":
            family = replace(family, mlp="plain")
        family = replace(family, qkv_bias=biased, output_bias=biased, mlp_bias=biased)
        super().__init__(config, replace(family, reads_attention_bias=False))

    def _none_ignored(self) -> None:
        """It ignores none."""

    def layers(self) -> tuple[Layer, ...]:
        """Every layer in order, of two kinds."""
        every = self.config.optional("moe_every_n_layers") or 0
        made = {routed: self._made(routed) for routed in ({False, True} if every > 1 else {False})}
        return tuple(made[every > 1 and layer % every == 1] for layer in range(self.count))

    def _made(self, routed: bool) -> Layer:
        tensors = [*self._attention(), *self._norms()]
        tensors += self._choosing() if routed else self._mlp("mlp", self.dense_width)
        width = self.heads * self.head_dim
        return Layer(tuple(tensors), self._kv(None, False), self.dense_width, width, width)

    def _choosing(self) -> Iterator[Tensor]:
        """A router, the experts' two products, and one bias for all."""
        count, hidden = self.config.count("num_experts"), self.hidden
        yield Tensor("mlp.router", count, hidden)
        yield Tensor("mlp.experts.w1", self.dense_width, hidden, RANKS, count)
        yield Tensor("mlp.experts.w2", hidden, self.dense_width, RANKS, count)
        yield Tensor("mlp.experts.bias", hidden)


class Roberta(Encoder):
    """Reads the layers of one RoBERTa, or of jina-embeddings-v3, which turns its positions.

    Of that the engine has one table less and no pooler; the low-rank weights of its tasks are added
    to the others while they are loaded (``jina_merge_lora_weights``).
    """

    def __init__(self, config: Config, family: Family) -> None:
        """Where positions are turned none is skipped."""
        if config.text("position_embedding_type") == "rotary":
            answer = "" if family.answer == "pooled" else family.answer
            family = replace(family, positions=False, positions_skip=0, answer=answer)
        super().__init__(config, family)


class JinaV5(Decoder):
    """Reads the layers of one jina-embeddings-v5: a Qwen3, or EuroBERT where it is no decoder."""

    def __init__(self, config: Config, family: Family) -> None:
        """EuroBERT has no norms of queries and keys, and reads both ways."""
        self.decodes = config.flag("is_decoder", True)
        super().__init__(config, family if self.decodes else replace(family, qk_norm=""))

    def _kv(self, window: int | None, indexed: bool) -> KvCache:
        if self.decodes:
            return super()._kv(window, indexed)
        return KvCache(self.kv_heads, 0)


class BothWays(Decoder):
    """Reads the layers of a decoder that reads both ways: it keeps nothing of a token."""

    def _kv(self, window: int | None, indexed: bool) -> KvCache:
        return KvCache(self.kv_heads, 0)


class Gemma3Text(Decoder):
    """Reads the layers of one Gemma 3 without a head; read both ways it keeps nothing of a token.

    EmbeddingGemma's products behind the pooling are files of their own, and not counted: 4.7 M.
    """

    def _kv(self, window: int | None, indexed: bool) -> KvCache:
        if self.config.flag("use_bidirectional_attention"):
            return KvCache(self.kv_heads, 0)
        return super()._kv(window, indexed)

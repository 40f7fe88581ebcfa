"""Models that read a text at once and answer with a vector or a score: BERT and what followed.

Source: vllm/model_executor/models/bert.py, roberta.py, bert_with_rope.py and modernbert.py, 0.32.
They keep nothing of a token (its ``EncoderOnlyAttention``).
"""

from __future__ import annotations

from collections.abc import Iterator

from rackwright.models.config import Config
from rackwright.models.decoder import EXPERTS_KEYS, Decoder
from rackwright.models.family import Family
from rackwright.models.rope import Rope
from rackwright.models.shape import KvCache, Tensor

POSITIONS = "absolute"
"""The one kind of positions of a BERT that the engine has (BertEmbedding in bert.py)."""


class Encoder(Decoder):
    """Reads the layers of one encoder."""

    def __init__(self, config: Config, family: Family) -> None:
        """Where positions are counted from behind the padding, so many tokens fit less."""
        super().__init__(config, family)
        kind = config.text("position_embedding_type", POSITIONS)
        if family.positions and kind != POSITIONS:
            rule = f"must be {POSITIONS}: vLLM 0.32 has no other of such encoders"
            config.fault("position_embedding_type", rule, kind)
        self._none_ignored()
        if family.positions_skip:
            longest = max(1, self.rope.context - family.positions_skip)
            self.rope = Rope(self.rope.positions, longest, longest)

    def beside(self) -> tuple[Tensor, ...]:
        """Tables beside that of words, and what makes an answer of the last layer."""
        return (*super().beside(), *self._answer())

    def _none_ignored(self) -> None:
        """No class but Nomic's has experts: what names some would be read as less than it is."""
        for key in EXPERTS_KEYS:
            named = self.config.values.get(key)
            if type(named) is int and named > 1 and key not in self.config.assumed:
                rule = "must be left out: vLLM 0.32 has no experts in an encoder of this name"
                self.config.fault(key, rule, named)

    def _answer(self) -> Iterator[Tensor]:
        """The pooler, which is stored also where the engine leaves it, and the classifier."""
        hidden, kind = self.hidden, self.family.answer
        if kind in ("pooled", "threefold", "classified"):
            yield Tensor("pooler.dense", hidden, hidden)
            yield Tensor("pooler.dense.bias", hidden)
        if kind == "scored":
            yield Tensor("classifier.dense", hidden, hidden)
            yield Tensor("classifier.dense.bias", hidden)
        if kind in ("masked", "worded"):
            yield from self._words()
        if kind == "threefold":  # beside a vector a weight and a vector of each token
            yield Tensor("sparse_linear", 1, hidden + 1)
            yield Tensor("colbert_linear", hidden, hidden + 1)
        if kind == "headed":
            biased = 1 if self.config.flag("classifier_bias") else 0
            yield Tensor("head.dense", hidden, hidden + biased)
            yield Tensor("head.norm", self.norm_elements)
        if kind in ("classified", "scored", "labelled", "headed"):
            yield Tensor("classifier.out_proj", self._labels(), hidden)
            yield Tensor("classifier.out_proj.bias", self._labels())

    def _words(self) -> Iterator[Tensor]:
        """A score for each word: the table of words once more, which files do not repeat.

        Of RoBERTa's (``worded``) the engine has no scores, and no table.
        """
        hidden, vocabulary = self.hidden, self.config.count("vocab_size")
        yield Tensor("mlm_head.dense", hidden, hidden + 1)
        yield Tensor("mlm_head.layer_norm", 2 * hidden)
        if self.family.answer == "masked":
            yield Tensor("mlm_head.decoder", vocabulary, hidden, stored=False)
        yield Tensor("mlm_head.decoder.bias", vocabulary)

    def _kv(self, window: int | None, indexed: bool) -> KvCache:
        return KvCache(self.kv_heads, 0)

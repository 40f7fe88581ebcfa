"""Readers of models that answer with a vector of each token, where they say more than others do.

Source: JinaRobertaModelConfig and ColQwen3_5Config in vllm/model_executor/models/config.py,
ColModernVBertConfig in transformers_utils/configs, 0.32.
"""

from __future__ import annotations

from typing import Any

from rackwright.models.config import Config
from rackwright.models.decoder import Decoder
from rackwright.models.encoder import Encoder
from rackwright.models.family import Family
from rackwright.models.shape import KvCache
from rackwright.models.vectors import Roberta

_CONTRACT = "retrieval_attention_contract"
_TEXT: dict[str, Any] = {
    "vocab_size": 50408,
    "hidden_size": 768,
    "intermediate_size": 1152,
    "num_hidden_layers": 22,
    "num_attention_heads": 12,
    "max_position_embeddings": 8192,
}
"""What ColModernVBertConfig fills in; it reads these keys and ``mlp_bias`` of its text model."""


class ColBert(Encoder):
    """Reads the layers of one ColBERT of BERT's own kind."""

    def __init__(self, config: Config, family: Family) -> None:
        """Its class makes the projection before it is a module, where the config has its length.

        Tried with the CPU build: "cannot assign module before Module.__init__() call".
        """
        super().__init__(config, family)
        for key in ("colbert_dim", "dim", "projection_dim"):
            if config.values.get(key):
                rule = "must be left out: vLLM 0.32 does not start with it, and looks at the files"
                config.fault(key, rule, config.values[key])


class Turned(Roberta):
    """Reads the layers of one Jina ColBERT: an XLM-R whose positions are turned."""

    def __init__(self, config: Config, family: Family) -> None:
        """The engine's class for it has no other positions."""
        super().__init__(config, family)
        kind, key = config.text("position_embedding_type"), "position_embedding_type"
        if kind != "rotary":
            config.fault(key, "must be rotary: this class of vLLM 0.32 has no other", kind or None)


class ColPali(Decoder):
    """Reads the layers of one ColPali, whose text model is a Gemma."""

    def __init__(self, config: Config, family: Family) -> None:
        """A Gemma 2 inside would be built as one."""
        super().__init__(config, family)
        kind = config.values.get("model_type")
        if kind not in (None, "gemma"):
            config.fault("model_type", "must be gemma: of others nothing is known here yet", kind)


class ColQwen35(Decoder):
    """Reads the layers of one ColQwen3.5: those that attend to all may do so both ways."""

    def __init__(self, config: Config, family: Family) -> None:
        """The engine does not start with one that does not say."""
        super().__init__(config, family)
        kind = config.text(_CONTRACT)
        self.both = kind == "bidirectional"
        if kind not in ("causal", "bidirectional"):
            rule = "must be causal or bidirectional: vLLM 0.32 does not start without"
            config.fault(_CONTRACT, rule, kind or None)

    def _kv(self, window: int | None, indexed: bool) -> KvCache:
        return KvCache(self.kv_heads, 0) if self.both else super()._kv(window, indexed)


class ColModernVBert(Encoder):
    """Reads the layers of one ColModernVBERT: of its text model few keys are read."""

    def __init__(self, config: Config, family: Family) -> None:
        """What is left out is filled in, and what is not read is dropped."""
        own = {key: config.values[key] for key in (*_TEXT, "mlp_bias") if key in config.values}
        more = {
            key: config.values[key]
            for key in ("embedding_dim", "torch_dtype", "dtype", "architectures")
            if key in config.values
        }
        config.values = {**_TEXT, **own, **more}
        super().__init__(config, family)

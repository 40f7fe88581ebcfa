"""TeleChat2: a Llama with biases behind attention and behind the MLP, by names of BLOOM's.

Source: vllm/model_executor/models/telechat2.py, 0.32, and the order in which the engine looks for
the longest context (derive_max_model_len_and_key in
transformers_utils/model_arch_config_convertor.py).
"""

from __future__ import annotations

from collections.abc import Iterator

from rackwright.models.config import Config
from rackwright.models.decoder import Decoder
from rackwright.models.family import Family
from rackwright.models.shape import Tensor


class TeleChat2(Decoder):
    """Reads the layers of one TeleChat2."""

    def __init__(self, config: Config, family: Family) -> None:
        """Its context stands under ``seq_length``; a flag of biases counts for nothing."""
        whole = config.values
        values = {**whole, "mlp_bias": False}
        if whole.get("max_position_embeddings") is None:
            values["max_position_embeddings"] = whole.get("seq_length")
            config.called = {**config.called, "max_position_embeddings": "seq_length"}
        config.values = values
        super().__init__(config, family)

    def _mlp(self, name: str, width: int) -> Iterator[Tensor]:
        yield from super()._mlp(name, width)
        yield Tensor(f"{name}.down_proj.bias", self.hidden)

"""BLOOM: positions are slopes on the scores (ALiBi), so there is no table of them.

Source: vllm/model_executor/models/bloom.py, 0.32.
"""

from __future__ import annotations

from rackwright.models.config import Config
from rackwright.models.decoder import Decoder
from rackwright.models.family import Family
from rackwright.models.shape import Tensor

USUAL_CONTEXT = 2048
"""What the engine takes where a config names no length (_get_and_verify_max_len, 0.32)."""


class Bloom(Decoder):
    """Reads the layers of one BLOOM."""

    def __init__(self, config: Config, family: Family) -> None:
        """Its files call the longest text ``seq_length``, or do not name it."""
        if config.values.get("max_position_embeddings") is None:
            length = config.count("seq_length", default=USUAL_CONTEXT)
            values = {**config.values, "max_position_embeddings": length}
            config.values = values
        super().__init__(config, family)

    def rotary(self) -> Tensor:
        """None."""
        return Tensor("rotary", 0, stored=False)

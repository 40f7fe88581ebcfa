"""GPT-BigCode (StarCoder): one head of keys for all, positions in a table.

Source: vllm/model_executor/models/gpt_bigcode.py, 0.32.
"""

from __future__ import annotations

from rackwright.models.config import Config
from rackwright.models.decoder import Decoder
from rackwright.models.family import Family


class GptBigCode(Decoder):
    """Reads the layers of one GPT-BigCode."""

    def __init__(self, config: Config, family: Family) -> None:
        """``multi_query`` is how its files say what others call ``num_key_value_heads``."""
        if config.flag("multi_query", True):
            config.values = {**config.values, "num_key_value_heads": 1}
        super().__init__(config, family)

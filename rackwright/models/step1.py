"""Step 1, which Step-Audio writes by: groups of heads share keys, and slopes stand for positions.

Source: StepAttention, StepMLP and Step1ForCausalLM in vllm/model_executor/models/step1.py, 0.32.
"""

from __future__ import annotations

from rackwright.models.config import Config
from rackwright.models.decoder import Decoder
from rackwright.models.family import Family
from rackwright.models.shape import Tensor

GROUPS = "num_attention_groups"


class Step1(Decoder):
    """Reads the layers of one Step 1."""

    def __init__(self, config: Config, family: Family) -> None:
        """Without groups there are KV heads, or one; heads make the hidden state."""
        whole = config.values
        called, values = dict(config.called), {**whole, "head_dim": None}
        if whole.get(GROUPS) is not None:
            values["num_key_value_heads"] = whole[GROUPS]
            called["num_key_value_heads"] = GROUPS
        elif whole.get("num_key_value_heads") is None:
            values["num_key_value_heads"] = 1
        if whole.get("max_position_embeddings") is None:
            values["max_position_embeddings"] = whole.get("max_seq_len")
            called["max_position_embeddings"] = "max_seq_len"
        config.called, config.values = called, values
        super().__init__(config, family)

    def rotary(self) -> Tensor:
        """None: scores fall by how far a token is back (ALiBi)."""
        return Tensor("rotary", 0, stored=False)

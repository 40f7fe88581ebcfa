"""StableLM, of which the engine builds one kind: norms before attention and MLP, none of queries.

Source: vllm/model_executor/models/stablelm.py, 0.32, which looks at neither key below: it would end
at the first tensor that it has not, or has too much.
"""

from __future__ import annotations

from rackwright.models.config import Config
from rackwright.models.decoder import Decoder
from rackwright.models.family import Family


class StableLm(Decoder):
    """Reads the layers of one StableLM."""

    def __init__(self, config: Config, family: Family) -> None:
        """StableLM 2 12B is of the other kind."""
        super().__init__(config, family)
        for key, what in (
            ("qk_layernorm", "norms of queries and keys"),
            ("use_parallel_residual", "attention beside the MLP under one norm"),
        ):
            if config.flag(key):
                config.fault(key, f"must be false: vLLM 0.32 builds no StableLM with {what}", True)

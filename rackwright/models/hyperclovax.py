"""HyperCLOVA X: Llama, with norms also behind attention and MLP where ``use_post_norm`` says so.

Source: vllm/model_executor/models/hyperclovax.py, 0.32.
"""

from __future__ import annotations

from collections.abc import Iterator

from rackwright.models.decoder import Decoder
from rackwright.models.shape import Tensor


class HyperClovaX(Decoder):
    """Reads the layers of one HyperCLOVA X."""

    def _norms(self) -> Iterator[Tensor]:
        count = 4 if self.config.flag("use_post_norm") else 2
        yield Tensor("norms", self.norm_elements * count)

"""ERNIE 4.5 VL: experts for text and experts for what is seen, side by side in each layer.

Source: vllm/model_executor/models/ernie45_vl_moe.py, 0.32: both are of the language model, so they
are loaded also where it is served as text.
"""

from __future__ import annotations

from collections.abc import Iterator

from rackwright.models.config import LAYERS, Config
from rackwright.models.decoder import EXPERTS, Decoder
from rackwright.models.family import Family
from rackwright.models.shape import Experts, Tensor

_PAIRS = ("moe_num_experts", "moe_intermediate_size", "moe_layer_start_index")


class ErnieVl(Decoder):
    """Reads the layers of one ERNIE 4.5 VL; figures come in pairs, of text and of what is seen."""

    def __init__(self, config: Config, family: Family) -> None:
        """Reads the first of each pair as usual, and the width of what sees beside."""
        firsts, seconds = zip(*(_pair(config, key) for key in _PAIRS), strict=True)
        for key, first, second in zip(_PAIRS, firsts, seconds, strict=True):
            if key != "moe_intermediate_size" and first != second:
                rule = "must be the same for text and what is seen"
                config.fault(key, rule, [first, second])
        self.seeing_width = seconds[1]
        ends = config.values.get("moe_layer_end_index")
        config.values = {**config.values, **dict(zip(_PAIRS, firsts, strict=True))}
        super().__init__(config, family)
        if ends is not None and min(_pair(config, "moe_layer_end_index")) < self.count - 1:
            rule = f"must be at least {self.count - 1}: those that end before are not known"
            config.fault("moe_layer_end_index", rule, ends, by=(*LAYERS, "moe_layer_end_index"))

    def _routed(self, experts: Experts) -> Iterator[Tensor]:
        yield from super()._routed(experts)
        count, width, hidden = experts.count, self.seeing_width, self.hidden
        yield Tensor("mlp.vision_gate", count, hidden)
        yield Tensor("mlp.vision_gate.e_score_correction_bias", count, dtype="float32")
        for name, rows, columns in (
            ("gate_proj", width, hidden),
            ("up_proj", width, hidden),
            ("down_proj", hidden, width),
        ):
            name = f"mlp.vision_experts.{name}"
            yield Tensor(name, rows, columns, EXPERTS, count, quantizable=True)


def _pair(config: Config, key: str) -> tuple[int, int]:
    """Two whole numbers; 1 and 1 where they are not."""
    value = config.values.get(key)
    least = 1 if "index" not in key else 0
    if isinstance(value, (list, tuple)) and len(value) == 2:
        first, second = value
        if all(type(one) is int and least <= one <= 10**9 for one in value):
            return first, second
    config.fault(key, "must be two whole numbers, for text and for what is seen", value)
    return 1, 1

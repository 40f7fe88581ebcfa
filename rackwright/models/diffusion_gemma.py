"""DiffusionGemma: Gemma 4 whose answers are made a canvas of tokens at a time.

Source: vllm/model_executor/models/diffusion_gemma.py, and config.py beside it
(DiffusionGemmaModelForBlockDiffusionConfig), 0.32. Its layers are those of Gemma 4, with keys that
are values too though the file does not say so (``LEFT_OUT``); one model reads the prompt and makes
the answer. The release's sizes make as many elements as transformers 5.24 counts on ``meta``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from rackwright.models.config import Config
from rackwright.models.shape import Shape, Tensor

NAME = "DiffusionGemmaForBlockDiffusion"
MOST_TOKENS = 65536
"""Of a canvas; more was mistyped."""


def with_canvas(shape: Shape, values: Mapping[str, Any], path: str) -> Shape:
    """The text model with what tells it of its last try, whole on every rank, never quantized.

    Raises SpecError with every fault of the figures that it needs.
    """
    config, hidden = Config(values, path), shape.hidden_size
    width = config.count("self_conditioning_size", default=shape.layers[0].mlp_width)
    canvas = config.count("canvas_length", default=256, most=MOST_TOKENS)
    config.settle()
    told = (
        Tensor("self_conditioning.pre_norm", hidden),
        Tensor("self_conditioning.gate_proj", width, hidden),
        Tensor("self_conditioning.up_proj", width, hidden),
        Tensor("self_conditioning.down_proj", hidden, width),
    )
    return replace(shape, beside=(*shape.beside, *told), canvas=canvas)

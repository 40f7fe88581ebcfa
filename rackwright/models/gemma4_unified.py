"""Gemma 4 12B: no towers. What brings pixels and sound to its text model is loaded always.

Source: vllm/model_executor/models/gemma4_unified.py and Gemma4MultimodalEmbedder in gemma4_mm.py,
0.32: unlike a tower it is made whatever `--language-model-only` says. What is left out of
``config.json`` is as Gemma4UnifiedConfig of transformers 5.24 has it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rackwright.models.config import Config
from rackwright.models.shape import Sharding, Tensor

NAME = "Gemma4UnifiedForConditionalGeneration"


def embedders(values: Mapping[str, Any], path: str, hidden: int) -> tuple[Tensor, ...]:
    """What stands beside the text model of one such ``config.json``.

    Raises SpecError with every fault of the figures that it needs.
    """
    config = Config(values, path)
    found = [*_seeing(config.inside("vision_config"), hidden)]
    if values.get("audio_config") is not None:
        width = config.inside("audio_config").count("audio_embed_dim", default=640)
        found.append(Tensor("embed_audio.embedding_projection", hidden, width))
    config.settle()
    return tuple(found)


def _seeing(vision: Config, hidden: int) -> Iterator[Tensor]:
    """Patches of three colours, normed, projected, placed in two directions, projected again."""
    patch = vision.count("patch_size", default=16) * vision.count("pooling_kernel_size", default=3)
    pixels = 3 * vision.count("model_patch_size", default=patch) ** 2
    width = vision.count("mm_embed_dim", default=3840)
    places = vision.count("mm_posemb_size", default=1120)
    yield Tensor("vision_embedder.norms", 2 * pixels + 4 * width)
    yield Tensor("vision_embedder.patch_dense", width, pixels, Sharding.RANKS)
    yield Tensor("vision_embedder.patch_dense.bias", width, sharding=Sharding.RANKS)
    yield Tensor("vision_embedder.pos_embedding", places, 2 * width)
    output = vision.count("output_proj_dims", default=3840)
    yield Tensor("embed_vision.embedding_projection", hidden, output)

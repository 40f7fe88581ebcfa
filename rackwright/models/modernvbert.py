"""ColModernVBERT: its tower is loaded always, also where only text is asked of it.

Source: vllm/model_executor/models/colmodernvbert.py, siglip.py, and ColModernVBertConfig in
transformers_utils/configs, 0.32: the tower is made whatever `--language-model-only` says.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rackwright.models.config import Config
from rackwright.models.shape import Sharding, Tensor

NAME = "ColModernVBertForRetrieval"


def tower_of(values: Mapping[str, Any], path: str, hidden: int) -> tuple[Tensor, ...]:
    """SigLIP and what brings it to the text model, of one ColModernVBERT's ``config.json``.

    Raises SpecError with every fault of the figures that it needs.
    """
    config = Config(values, path)
    vision = config.inside("vision_config") if "vision_config" in values else Config({}, path)
    found = tuple(_seeing(vision, config.count("pixel_shuffle_factor", default=4), hidden))
    config.settle()
    return found


def _seeing(vision: Config, factor: int, hidden: int) -> Iterator[Tensor]:
    width = vision.count("hidden_size", default=768)
    inner = vision.count("intermediate_size", default=3072)
    layers = vision.count("num_hidden_layers", default=12, most=1000)
    patch = vision.count("patch_size", default=16)
    places = (vision.count("image_size", default=512) // patch) ** 2
    ranks = Sharding.RANKS
    yield Tensor("vision_model.patch_embedding", width, 3 * patch**2 + 1)
    yield Tensor("vision_model.position_embedding", places, width)
    yield Tensor("vision_model.attn", 4 * width, width, ranks, layers)
    yield Tensor("vision_model.attn.bias", 4 * width, copies=layers)
    yield Tensor("vision_model.mlp", 2 * inner, width, ranks, layers)
    yield Tensor("vision_model.mlp.bias", inner + width, copies=layers)
    yield Tensor("vision_model.norms", 4 * width, copies=layers)
    yield Tensor("vision_model.post_layernorm", 2 * width)
    yield Tensor("connector.proj", hidden, width * factor**2)

"""The towers of Mistral: Pixtral's own, and Mistral 3's in the names of Hugging Face.

Source: vllm/model_executor/models/mistral3.py and pixtral.py (VisionTransformer for Mistral's own
format, PixtralHF classes else), 0.32; what a config leaves out is its class's of transformers 5.24.
"""

from __future__ import annotations

from rackwright.models.config import Config
from rackwright.models.shape import Tensor
from rackwright.models.vision.tower import RANKS, Blocks, Tower, layers_of


def mistral3(config: Config, hidden: int) -> Tower:
    """Gated blocks without biases; ranks divide both products of the projector."""
    seen = config.inside("vision_config")
    own, width = (
        seen.count("hidden_size", default=1024),
        seen.count("intermediate_size", default=4096),
    )
    count = layers_of(seen, "num_hidden_layers", default=24)
    heads = seen.count("num_attention_heads", default=16)
    blocks = Blocks(count, own, heads, width, own, gated=True, bias=False)
    side, merge = (
        seen.count("patch_size", default=16),
        config.count("spatial_merge_size", default=2),
    )
    inputs = seen.count("num_channels", default=3) * side**2
    tensors = [
        Tensor("vision_tower.patch_conv", own, inputs),
        Tensor("vision_tower.ln_pre", own),
        *blocks.tensors("vision_tower.transformer.layers"),
        Tensor("multi_modal_projector.norm", own),
        Tensor("multi_modal_projector.patch_merger.merging_layer", own, own * merge**2),
        Tensor("multi_modal_projector.linear_1", hidden, own, RANKS),
        Tensor("multi_modal_projector.linear_2", hidden, hidden, RANKS),
    ]
    if config.flag("multimodal_projector_bias"):
        tensors.append(Tensor("multi_modal_projector.linear_1.bias", hidden, sharding=RANKS))
        tensors.append(Tensor("multi_modal_projector.linear_2.bias", hidden))
    edge = seen.count("image_size", default=1024)
    tokens = (-(-edge // (side * merge))) ** 2
    return blocks.tower(tensors, tokens * merge**2, tokens, inputs)


def pixtral(config: Config, hidden: int) -> Tower:
    """Of a ``params.json``: the same blocks; every rank holds what is behind them whole."""
    seen = config.inside("vision_config")
    own, count = seen.count("hidden_size"), layers_of(seen, "num_hidden_layers")
    heads, width = seen.count("num_attention_heads"), seen.count("intermediate_size")
    blocks = Blocks(count, own, heads, width, own, gated=True, bias=False)
    side, merge = seen.count("patch_size"), seen.count("spatial_merge_size", default=1)
    inputs = seen.count("num_channels", default=3) * side**2
    bias = 1 if seen.flag("adapter_bias", True) else 0
    tensors = [
        Tensor("vision_encoder.patch_conv", own, inputs),
        Tensor("vision_encoder.ln_pre", own),
        *blocks.tensors("vision_encoder.transformer.layers"),
        Tensor("vision_language_adapter.w_in", hidden, own + bias),
        Tensor("vision_language_adapter.w_out", hidden, hidden + bias),
    ]
    if seen.flag("add_pre_mm_projector_layer_norm"):
        tensors.append(Tensor("pre_mm_projector_norm", own))
    if seen.text("mm_projector_id") == "patch_merge":
        tensors.append(Tensor("patch_merger.merging_layer", own, own * merge**2))
    edge = seen.count("max_image_size", "image_size")
    tokens = (-(-edge // (side * merge))) ** 2
    return blocks.tower(tensors, tokens * merge**2, tokens, inputs)

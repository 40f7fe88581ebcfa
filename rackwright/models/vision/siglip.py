"""The tower of Gemma 3: SigLIP, whose patches are averaged to a fixed number of tokens.

Source: vllm/model_executor/models/gemma3_mm.py and siglip.py, 0.32; what a config leaves out is
its class's of transformers 5.24. An image is one crop, as released (``do_pan_and_scan`` is off).
"""

from __future__ import annotations

from dataclasses import replace

from rackwright.models.config import Config
from rackwright.models.shape import Tensor
from rackwright.models.vision.tower import Blocks, Tower, layers_of


def gemma3(config: Config, hidden: int) -> Tower:
    """Blocks with biases and shifting norms; a projection that every rank holds whole."""
    seen = config.inside("vision_config")
    own, heads = (
        seen.count("hidden_size", default=768),
        seen.count("num_attention_heads", default=12),
    )
    width = seen.count("intermediate_size", default=3072)
    blocks = Blocks(layers_of(seen, "num_hidden_layers", default=12), own, heads, width, 2 * own)
    side = seen.count("patch_size", default=16)
    patches = (seen.count("image_size", default=224) // side) ** 2
    inputs = seen.count("num_channels", default=3) * side**2
    tensors = [
        Tensor("vision_tower.patch_embedding", own, inputs + 1),
        Tensor("vision_tower.position_embedding", patches, own),
        *blocks.tensors("vision_tower.layers"),
        Tensor("vision_tower.post_layernorm", 2 * own),
        Tensor("multi_modal_projector.mm_input_projection_weight", own, hidden),
        Tensor("multi_modal_projector.mm_soft_emb_norm", own),
    ]
    tokens = config.count("mm_tokens_per_image", default=256)
    return replace(blocks.tower(tensors, patches, tokens, inputs), unbroken=True)

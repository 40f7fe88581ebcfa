"""The tower of InternVL in its makers' own files: InternViT, an image as tiles and a thumbnail.

Source: vllm/model_executor/models/internvl.py and intern_vit.py, 0.32.
"""

from __future__ import annotations

from rackwright.models.config import Config
from rackwright.models.shape import Tensor
from rackwright.models.vision.tower import Blocks, Tower, layers_of

MERGED = 4
"""Patches of a token: ``downsample_ratio`` is 0.5 in every one released."""


def internvl(config: Config, hidden: int) -> Tower:
    """Blocks with biases, shifting norms and two scales each; a projector that ranks do not divide.

    Norms of queries and keys (InternViT 6B) are not known: ``use_qk_norm`` is refused.
    """
    seen = config.inside("vision_config")
    if seen.flag("use_qk_norm") or not seen.flag("qkv_bias", True):
        seen.fault("use_qk_norm", "is not known yet (InternViT 6B)")
    own, heads = seen.count("hidden_size"), seen.count("num_attention_heads")
    width = seen.count("intermediate_size")
    blocks = Blocks(layers_of(seen, "num_hidden_layers"), own, heads, width, 2 * own)
    side = seen.count("patch_size")
    patches, inputs = (seen.count("image_size") // side) ** 2, 3 * side**2
    merged = own * MERGED
    tensors = [
        Tensor("vision_model.embeddings.patch_embedding", own, inputs + 1),
        Tensor("vision_model.embeddings.class_embedding", own),
        Tensor("vision_model.embeddings.position_embedding", patches + 1, own),
        *blocks.tensors("vision_model.encoder.layers"),
        Tensor("vision_model.encoder.layers.ls", 2 * own, copies=blocks.count),
        Tensor("mlp1.0", 2 * merged),
        Tensor("mlp1.1", hidden, merged + 1),
        Tensor("mlp1.3", hidden, hidden + 1),
    ]
    tiles = _tiles(config)
    return blocks.tower(tensors, tiles * (patches + 1), tiles * (patches // MERGED), inputs)


def _tiles(config: Config) -> int:
    """Most tiles of an image: one, or ``max_dynamic_patch`` and a thumbnail of all."""
    most = config.count("max_dynamic_patch", default=12)
    if not config.flag("dynamic_image_size", True) or most == 1:
        return 1
    return most + 1 if config.flag("use_thumbnail", True) else most

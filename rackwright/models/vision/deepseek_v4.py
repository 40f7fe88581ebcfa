"""The tower of DeepSeek V4, whose sizes stand beside those of its text model.

Source: vllm/models/deepseek_v4/common/vision.py and mm_preprocess.py, and DeepseekV4Config in
transformers_utils/configs/deepseek_v4.py, 0.32; V4.1's vl_model.py in vllm/models/deepseek_v41.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from rackwright.models.config import Config
from rackwright.models.shape import Tensor
from rackwright.models.vision.tower import RANKS, Blocks, Tower, layers_of

PADDING = 3
"""Tokens before an image, so that it begins where four are compressed into one."""
MARKS = 4
"""Learned tokens: an image's start and end, the end of its rows, and padding."""


class Keys(NamedTuple):
    """What a config calls the sizes of such a tower."""

    layers: str
    wide: str
    heads: str
    width: str
    patch: str
    merged: str
    most: str


V4 = Keys(
    *("vision_n_layers", "vision_dim", "vision_n_heads", "vision_inter_dim"),
    *("vision_patch_size", "vision_downsample_ratio", "vision_max_n_token"),
)
V41 = Keys(
    *("num_hidden_layers", "hidden_size", "num_attention_heads", "intermediate_size"),
    *("patch_size", "downsample_ratio", "max_image_tokens"),
)


def deepseek_v4(config: Config, hidden: int) -> Tower:
    """That of V4: an image is padded, so that it begins where tokens are compressed."""
    return _tower(config, hidden, V4, MARKS, 384, PADDING)


def deepseek_v41(config: Config, hidden: int) -> Tower:
    """That of V4.1, in a ``vision_config`` of its own, with more tokens and without padding."""
    return _tower(config.inside("vision_config"), hidden, V41, MARKS - 1, 1024, 0)


def _tower(config: Config, hidden: int, keys: Keys, marks: int, tokens: int, padding: int) -> Tower:
    """Gated blocks, of whose products attention's alone have biases; nine patches make a token."""
    count = config.count
    own, heads = count(keys.wide, default=1024), count(keys.heads, default=16)
    width = count(keys.width, default=2816)
    layers = layers_of(config, keys.layers)
    blocks = Blocks(layers, own, heads, width, own, gated=True, bias=False)
    inputs = 3 * count(keys.patch, default=14) ** 2
    merged = count(keys.merged, default=3) ** 2
    tensors = [
        Tensor("vision.patch_embed.proj", own, inputs + 1),
        *blocks.tensors("vision.blocks"),
        Tensor("vision.blocks.attn.wqkv.bias", 3 * own, sharding=RANKS, copies=layers),
        Tensor("vision.blocks.attn.wo.bias", own, copies=layers),
        Tensor("vision.norm", own),
        Tensor("aligner.w1", hidden, merged * own, RANKS),
        Tensor("aligner.w1.bias", hidden, sharding=RANKS),
        Tensor("aligner.w2", hidden, hidden, RANKS),
        Tensor("aligner.w2.bias", hidden),
        Tensor("image_marks", marks, hidden, dtype="float32"),
    ]
    most = count(keys.most, default=tokens)
    tower = blocks.tower(tensors, most * merged, most + padding, inputs)
    return replace(tower, unbroken=True)

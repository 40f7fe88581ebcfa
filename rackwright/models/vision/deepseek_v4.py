"""The tower of DeepSeek V4, whose sizes stand beside those of its text model.

Source: vllm/models/deepseek_v4/common/vision.py and mm_preprocess.py, and DeepseekV4Config in
transformers_utils/configs/deepseek_v4.py, 0.32.
"""

from __future__ import annotations

from dataclasses import replace

from rackwright.models.config import Config
from rackwright.models.shape import Tensor
from rackwright.models.vision.tower import RANKS, Blocks, Tower, layers_of

PADDING = 3
"""Tokens before an image, so that it begins where four are compressed into one."""
MARKS = 4
"""Learned tokens: an image's start and end, the end of its rows, and padding."""


def deepseek_v4(config: Config, hidden: int) -> Tower:
    """Gated blocks, of whose products attention's alone have biases; nine patches make a token."""
    count = config.count
    own, heads = count("vision_dim", default=1024), count("vision_n_heads", default=16)
    width = count("vision_inter_dim", default=2816)
    layers = layers_of(config, "vision_n_layers")
    blocks = Blocks(layers, own, heads, width, own, gated=True, bias=False)
    inputs = 3 * count("vision_patch_size", default=14) ** 2
    merged = count("vision_downsample_ratio", default=3) ** 2
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
        Tensor("image_marks", MARKS, hidden, dtype="float32"),
    ]
    most = count("vision_max_n_token", default=384)
    tower = blocks.tower(tensors, most * merged, most + PADDING, inputs)
    return replace(tower, unbroken=True)

"""Towers of Qwen: Qwen2-VL, Qwen2.5-VL, Qwen3-VL and those of Qwen3.5 on, which are Qwen3-VL's.

Source: vllm/model_executor/models/qwen2_vl.py, qwen2_5_vl.py, qwen3_vl.py, 0.32; what a config
leaves out is its class's of transformers 5.24.
"""

from __future__ import annotations

from collections.abc import Iterator

from rackwright.models.config import Config
from rackwright.models.shape import Tensor
from rackwright.models.vision.tower import RANKS, Blocks, Tower, layers_of

MOST_TOKENS = 16384
"""Of an image: ``max_pixels`` 12,845,056 at 28 x 28 a token (Qwen2-VL, Qwen2.5-VL),
``longest_edge`` 16,777,216 at 32 x 32 (Qwen3-VL): the preprocessor_config.json of the makers."""


def qwen3(config: Config, hidden: int) -> Tower:
    """Blocks with biases and shifting norms, learned positions, mergers for some inner levels."""
    seen = config.inside("vision_config")
    own = seen.count("hidden_size", default=1152)
    width, heads = (
        seen.count("intermediate_size", default=4304),
        seen.count("num_heads", default=16),
    )
    blocks = Blocks(layers_of(seen, "depth", default=27), own, heads, width, 2 * own)
    inputs, merged = _inputs(seen, 16), own * _merge(seen) ** 2
    levels = len(seen.indexes("deepstack_visual_indexes"))
    if "deepstack_visual_indexes" not in seen.values and _has_levels(config):
        levels = 3
    tensors = [
        Tensor("visual.patch_embed.proj", own, inputs + 1),
        Tensor("visual.pos_embed", seen.count("num_position_embeddings", default=2304), own),
        *blocks.tensors("visual.blocks"),
        Tensor("visual.merger.norm", 2 * own),
        *_merger("visual.merger", merged, seen.count("out_hidden_size", default=hidden)),
    ]
    for _ in range(levels):
        tensors.append(Tensor("visual.deepstack_merger_list.norm", 2 * merged))
        tensors += _merger("visual.deepstack_merger_list", merged, hidden)
    return blocks.tower(tensors, MOST_TOKENS * _merge(seen) ** 2, MOST_TOKENS, inputs, levels)


def qwen2_5(config: Config, hidden: int) -> Tower:
    """Gated blocks with biases, norms that only scale, no table of positions."""
    seen = config.inside("vision_config")
    own, width = seen.count("hidden_size"), seen.count("intermediate_size", default=3420)
    heads = seen.count("num_heads", default=16)
    blocks = Blocks(layers_of(seen, "depth", default=32), own, heads, width, own, gated=True)
    tensors = [
        Tensor("visual.patch_embed.proj", own, _inputs(seen, 14)),
        *blocks.tensors("visual.blocks"),
        Tensor("visual.merger.ln_q", own),
        *_merger("visual.merger", own * _merge(seen) ** 2, hidden),
    ]
    return blocks.tower(tensors, MOST_TOKENS * _merge(seen) ** 2, MOST_TOKENS, _inputs(seen, 14))


def qwen2(config: Config, hidden: int) -> Tower:
    """Blocks with biases and shifting norms; its own width is ``embed_dim``."""
    seen = config.inside("vision_config")
    own, heads = seen.count("embed_dim", default=1280), seen.count("num_heads", default=16)
    width = own * seen.count("mlp_ratio", default=4)
    blocks = Blocks(layers_of(seen, "depth", default=32), own, heads, width, 2 * own)
    tensors = [
        Tensor("visual.patch_embed.proj", own, _inputs(seen, 14)),
        *blocks.tensors("visual.blocks"),
        Tensor("visual.merger.ln_q", 2 * own),
        *_merger("visual.merger", own * _merge(seen) ** 2, hidden),
    ]
    return blocks.tower(tensors, MOST_TOKENS * _merge(seen) ** 2, MOST_TOKENS, _inputs(seen, 14))


def _has_levels(config: Config) -> bool:
    """The class's default of Qwen3-VL and Qwen3-Omni; Qwen3.5's has none."""
    return config.text("model_type").startswith(("qwen3_vl", "qwen3_omni"))


def _merge(seen: Config) -> int:
    return seen.count("spatial_merge_size", default=2)


def _inputs(seen: Config, patch: int) -> int:
    """Elements of a patch: of each channel, over two frames."""
    side = seen.count("patch_size", default=patch)
    frames = seen.count("temporal_patch_size", default=2)
    return seen.count("in_channels", "in_chans", default=3) * frames * side**2


def _merger(name: str, merged: int, hidden: int) -> Iterator[Tensor]:
    yield Tensor(f"{name}.fc1", merged, merged, RANKS)
    yield Tensor(f"{name}.fc1.bias", merged, sharding=RANKS)
    yield Tensor(f"{name}.fc2", hidden, merged, RANKS)
    yield Tensor(f"{name}.fc2.bias", hidden)

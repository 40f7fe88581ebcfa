"""The tower of Gemma 4: transformers' own, whose patches are pooled to a fixed number of tokens.

Source: Gemma4ForConditionalGeneration in vllm/model_executor/models/gemma4_mm.py, 0.32: made by
AutoModel, its products replaced by replicated ones, so every rank holds and computes it whole. What
a config leaves out is its class's of transformers 5.24.
"""

from __future__ import annotations

from dataclasses import replace

from rackwright.models.config import Config
from rackwright.models.shape import Tensor
from rackwright.models.vision.tower import Blocks, Tower, layers_of

CLIPPED = 4
"""Scalars of a product that is clipped: least and most of what comes in and goes out."""
USUAL_TOKENS = 280
"""Of an image, where ``default_output_length`` is left out (its processor's own)."""


def gemma4_unified(config: Config, hidden: int) -> Tower:
    """Gemma 4 12B's: no blocks. What projects its patches stands beside the text model always.

    Source: Gemma4UnifiedProcessingInfo and Gemma4UnifiedVisionEmbedder in
    vllm/model_executor/models/gemma4_unified.py, 0.32.
    """
    seen = config.inside("vision_config")
    patch = seen.count("patch_size", default=16) * seen.count("pooling_kernel_size", default=3)
    inputs = 3 * seen.count("model_patch_size", default=patch) ** 2
    width = seen.count("mm_embed_dim", default=3840)
    tokens = seen.count("num_soft_tokens", default=USUAL_TOKENS)
    tower = Blocks(0, width, 1, 0, 0).tower([], tokens, tokens, inputs)
    return replace(tower, unbroken=_both_ways(config, "vision"), shared="never")


def _both_ways(config: Config, usual: str = "") -> bool:
    """Whether tokens of an image see one another both ways; ``usual`` where it is left out."""
    return config.inside("text_config").text("use_bidirectional_attention", usual) == "vision"


def gemma4(config: Config, hidden: int) -> Tower:
    """Gated blocks without biases, four norms each and norms of queries and keys."""
    seen = config.inside("vision_config")
    own, heads = (
        seen.count("hidden_size", default=768),
        seen.count("num_attention_heads", default=12),
    )
    width = seen.count("intermediate_size", default=3072)
    count = layers_of(seen, "num_hidden_layers", default=16)
    blocks = Blocks(count, own, heads, width, own, gated=True, bias=False)
    head = seen.count("head_dim", default=64)
    if heads * head != own or seen.count("num_key_value_heads", default=heads) != heads:
        seen.fault("head_dim", f"must be hidden_size {own} by heads {heads}, with keys each", head)
    inputs = 3 * seen.count("patch_size", default=16) ** 2
    places = seen.count("position_embedding_size", default=10240)
    clipped = 7 * CLIPPED if seen.flag("use_clipped_linears") else 0
    tensors = [
        Tensor("vision_tower.patch_embedder.position_embedding_table", 2 * places, own),
        Tensor("vision_tower.patch_embedder.input_proj", own, inputs),
        *blocks.tensors("vision_tower.encoder.layers"),
        Tensor("vision_tower.encoder.layers.more", 2 * own + 2 * head + clipped, copies=count),
        Tensor("vision_tower.std", 2 * own if seen.flag("standardize") else 0),
        Tensor("embed_vision.embedding_projection", hidden, own),
    ]
    tokens = seen.count("default_output_length", default=USUAL_TOKENS)
    patches = tokens * seen.count("pooling_kernel_size", default=3) ** 2
    tower = blocks.tower(tensors, patches, tokens, inputs)
    return replace(tower, unbroken=_both_ways(config), shared="never")

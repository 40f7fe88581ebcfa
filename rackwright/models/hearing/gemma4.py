"""What hears in Gemma 4: of E2B and E4B a conformer of transformers' own, whole on every rank.

Source: Gemma4ForConditionalGeneration in vllm/model_executor/models/gemma4_mm.py, 0.32 (products
replaced by replicated ones); what a config leaves out is its class's of transformers 5.24.
"""

from __future__ import annotations

from dataclasses import replace

from rackwright.models.config import Config
from rackwright.models.shape import Tensor
from rackwright.models.vision.gemma4 import CLIPPED
from rackwright.models.vision.tower import Blocks, Tower, layers_of

TOKENS = 750
"""Of the largest sound: ``audio_seq_length`` of its processor, 40 ms each."""
WIDER = 4
"""Times the hidden size that its MLP is wide."""
MELS, HALVED = 128, 4
"""What a frame has, and by how much both convolutions shorten frames and what they have."""


def gemma4(config: Config, hidden: int) -> Tower:
    """Blocks of two MLPs, attention with relative positions, and a convolution."""
    heard, text = config.inside("audio_config"), config.inside("text_config")
    own, count = (
        heard.count("hidden_size", default=1024),
        layers_of(heard, "num_hidden_layers", default=12),
    )
    heads = heard.count("num_attention_heads", default=8)
    channels = heard.values.get("subsampling_conv_channels", [128, 32])
    if not _two(channels):
        heard.fault("subsampling_conv_channels", "must be two whole numbers", channels)
        channels = [1, 1]
    first, second = channels
    output = heard.count("output_proj_dims", default=1536)
    products = (4 * WIDER + 5 + 3) * own**2
    kernel = heard.count("conv_kernel_size", default=5) * own
    clipped = 10 * CLIPPED if heard.flag("use_clipped_linears", True) else 0
    scales = 9 * own + own // heads + clipped
    tensors = [
        Tensor("audio_tower.subsample_conv_projection.conv", first * 9 * (1 + second)),
        Tensor("audio_tower.subsample_conv_projection.norm", first + second),
        Tensor("audio_tower.subsample_conv_projection.input_proj", own, second * MELS // HALVED),
        Tensor("audio_tower.layers", products + kernel + scales, copies=count),
        Tensor("audio_tower.output_proj", output, own + 1),
        Tensor("embed_audio.embedding_projection", hidden, output),
    ]
    inputs = 2 * first * (MELS // 2)
    blocks = Blocks(count, own, heads, WIDER * own, own, bias=False)
    both_ways = text.text("use_bidirectional_attention") == "vision"
    tower = blocks.tower(tensors, TOKENS, TOKENS, inputs)
    return replace(tower, unbroken=both_ways, shared="never")


def gemma4_unified(config: Config, hidden: int) -> Tower:
    """Gemma 4 12B's: no blocks. What projects its frames stands beside the text model always.

    Source: Gemma4UnifiedProcessingInfo and _process_audio_input in
    vllm/model_executor/models/gemma4_unified.py, 0.32.
    """
    width = config.inside("audio_config").count("audio_embed_dim", default=640)
    both_ways = config.inside("text_config").text("use_bidirectional_attention", "vision")
    tower = Blocks(0, width, 1, 0, 0).tower([], TOKENS, TOKENS, width)
    return replace(tower, unbroken=both_ways == "vision", shared="never")


def _two(channels: object) -> bool:
    listed = channels if isinstance(channels, list) else []
    return len(listed) == 2 and all(type(each) is int and 0 < each < 10**6 for each in listed)

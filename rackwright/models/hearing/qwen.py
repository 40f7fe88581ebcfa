"""What hears in Qwen2-Audio, Qwen2.5-Omni and Qwen3-Omni: encoders that began as Whisper's.

Source: vllm/model_executor/models/qwen2_audio.py, qwen2_5_omni_thinker.py (both hold
transformers' own module whole on every rank) and Qwen3OmniMoeAudioEncoder in
qwen3_omni_moe_thinker.py, 0.32, which ranks divide where they divide its heads; what a config
leaves out is its class's of transformers 5.24.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from rackwright.models.config import Config
from rackwright.models.shape import Tensor
from rackwright.models.vision.tower import Blocks, Sharing, Tower, layers_of

FRAMES, TOKENS = 3000, 750
"""Of the largest sound, 30 s: 10 ms a frame, halved by a convolution and once more behind it
(Qwen2AudioProcessingInfo.get_mm_max_tokens_per_item, by which all three count)."""
STEP = 3


def qwen2_audio(config: Config, hidden: int) -> Tower:
    """Whisper's encoder with learned positions, and one product to the text model."""
    heard = config.inside("audio_config")
    own = heard.count("d_model", default=1280)
    positions = heard.count("max_source_positions", default=1500)
    more = [
        *_convolutions(heard, own),
        Tensor("audio_tower.embed_positions", positions, own),
        Tensor("multi_modal_projector.linear", hidden, own + 1),
    ]
    return _tower(heard, own, more, "never")


def qwen2_5_omni(config: Config, hidden: int) -> Tower:
    """The same with a projection inside, two marks around a sound, and a table of positions."""
    heard = config.inside("audio_config")
    own, output = heard.count("d_model", default=1280), heard.count("output_dim", default=3584)
    more = [
        *_convolutions(heard, own),
        Tensor("audio_tower.audio_bos_eos_token", 2, output),
        Tensor("audio_tower.proj", output, own + 1),
        _table(heard, own),
    ]
    return _tower(heard, own, more, "never")


def qwen3_omni(config: Config, hidden: int) -> Tower:
    """Three convolutions in two directions, keys with biases, two products behind the blocks."""
    heard = config.inside("audio_config")
    own, output = heard.count("d_model", default=1280), heard.count("output_dim", default=3584)
    inner, mels = (
        heard.count("downsample_hidden_size", default=480),
        heard.count("num_mel_bins", default=128),
    )
    left = (((mels + 1) // 2 + 1) // 2 + 1) // 2
    more = [
        Tensor("audio_tower.conv2d", inner * (STEP**2 * (1 + 2 * inner) + 3)),
        Tensor("audio_tower.conv_out", own, inner * left),
        Tensor("audio_tower.proj1", own, own + 1),
        Tensor("audio_tower.proj2", output, own + 1),
        _table(heard, own),
    ]
    return _tower(heard, own, more, "if it divides heads", keys_biased=True)


def _convolutions(heard: Config, own: int) -> Iterator[Tensor]:
    yield Tensor("audio_tower.conv1", own, STEP * heard.count("num_mel_bins", default=128) + 1)
    yield Tensor("audio_tower.conv2", own, STEP * own + 1)


def _table(heard: Config, own: int) -> Tensor:
    """Sines and cosines in float32, which no checkpoint has."""
    rows = heard.count("max_source_positions", default=1500)
    return Tensor("audio_tower.positional_embedding", rows, own, stored=False, dtype="float32")


def _tower(
    heard: Config, own: int, more: list[Tensor], shared: Sharing, keys_biased: bool = False
) -> Tower:
    heads = heard.count("encoder_attention_heads", default=20)
    width = heard.count("encoder_ffn_dim", default=5120)
    blocks = Blocks(layers_of(heard, "encoder_layers", default=32), own, heads, width, 2 * own)
    tensors = list(blocks.tensors("audio_tower.layers"))
    if not keys_biased:  # Blocks has three biases in attention
        tensors = [
            replace(tensor, rows=tensor.rows - own)
            if tensor.name.endswith("layers.bias")
            else tensor
            for tensor in tensors
        ]
    tensors += [Tensor("audio_tower.layer_norm", 2 * own), *more]
    tower = blocks.tower(tensors, FRAMES // 2, TOKENS, 2 * own)
    return replace(tower, shared=shared)

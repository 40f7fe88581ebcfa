"""Whisper: an encoder of sound, and a decoder that looks at what it made of it.

Source: vllm/model_executor/models/whisper.py and CrossAttentionSpec in v1/kv_cache_interface.py,
0.32. The table of tokens is a plain one there, whole on every rank, and the outputs are tied to it;
keys get a bias of zeros beside the checkpoint. A sound is padded to ``max_source_positions``
frames whatever its length, and its encoder reads them in one step (``disable_chunked_mm_input`` of
models with an encoder and a decoder, config/scheduler.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from rackwright.models.config import Config
from rackwright.models.decoder import MOST_LAYERS, RANKS, Decoder
from rackwright.models.family import Family
from rackwright.models.rope import Rope
from rackwright.models.shape import KvCache, Layer, Shape, Sharding, Tensor
from rackwright.models.vision.tower import Tower

STEP = 3
"""What each of both convolutions sees at once."""
HALVED = 2
"""By how much the second of them shortens what the first made."""


class Whisper(Decoder):
    """Reads the layers of one Whisper, whose keys are its own. A decoder's layer counts as two."""

    def __init__(self, config: Config, family: Family) -> None:
        """Reads the figures that all layers share."""
        self.config, self.family = config, family
        self.hidden = config.count("d_model")
        self.heads = self.kv_heads = config.count("decoder_attention_heads")
        self.head_dim = max(1, self.hidden // self.heads)
        self.frames = config.count("max_source_positions")
        self.experts, self.dense_width = None, config.count("decoder_ffn_dim")
        longest = config.count("max_target_positions")
        self.rope = Rope(0, longest, longest)

    def hearing(self, shape: Shape) -> Shape:
        """The model with what its encoder takes: it hears one sound in each request, always.

        The encoder's tensors are layers of the model, so that its tower has none of its own.
        """
        count, hidden = self.config.count, self.hidden
        ear = Tower(
            tensors=(),
            hidden=hidden,
            heads=count("encoder_attention_heads"),
            width=count("encoder_ffn_dim"),
            gated=False,
            patches=self.frames,
            tokens=self.frames,
            inputs=HALVED * hidden,
            unbroken=True,
        )
        whole = replace(shape.embedding, sharding=Sharding.REPLICATED)
        return replace(shape, embedding=whole, ear=ear, audios=1, transcribes=True)

    def layers(self) -> tuple[Layer, ...]:
        """Those that listen, then of each that writes what looks back and what looks at sound."""
        layers = {
            half: self.config.count(f"{half}_layers", most=MOST_LAYERS)
            for half in ("encoder", "decoder")
        }
        listens = self._layer_of("encoder", KvCache(self.heads, 0), self._listening())
        kept = KvCache(self.heads, 2 * self.head_dim)
        looks_back = self._layer_of("decoder", kept, self._looking("self_attn"), 0)
        heard = KvCache(self.heads, 2 * self.head_dim, fixed_tokens=self.frames)
        writes = [*self._looking("encoder_attn"), *self._passes(self.dense_width)]
        looks_at_sound = self._layer_of("decoder", heard, writes)
        return (listens,) * layers["encoder"] + (looks_back, looks_at_sound) * layers["decoder"]

    def beside(self) -> tuple[Tensor, ...]:
        """Both convolutions, both tables of positions, and the encoder's last norm."""
        hidden, count = self.hidden, self.config.count
        return (
            Tensor("encoder.conv1", hidden, STEP * count("num_mel_bins")),
            Tensor("encoder.conv2", hidden, STEP * hidden),
            Tensor("encoder.conv.bias", 2 * hidden),
            Tensor("encoder.embed_positions", self.frames, hidden),
            Tensor("encoder.layer_norm", self.norm_elements),
            Tensor("decoder.embed_positions", count("max_target_positions"), hidden),
        )

    def rotary(self) -> Tensor:
        """None: positions are tables."""
        return Tensor("rotary", 0, stored=False)

    def widths(self) -> dict[str, int]:
        """What ranks must divide besides the decoder's heads."""
        count = self.config.count
        return {
            "encoder heads": count("encoder_attention_heads"),
            "encoder MLP width": count("encoder_ffn_dim"),
            "MLP width": self.dense_width,
        }

    def _layer_of(
        self, half: str, kept: KvCache, tensors: list[Tensor], width: int | None = None
    ) -> Layer:
        full = self.config.count(f"{half}_ffn_dim") if width is None else width
        return Layer(tuple(tensors), kept, full, self.hidden, self.hidden)

    def _listening(self) -> list[Tensor]:
        return [*self._looking("self_attn"), *self._passes(self.config.count("encoder_ffn_dim"))]

    def _looking(self, name: str) -> list[Tensor]:
        """One attention with its norm; keys have no bias."""
        hidden = self.hidden
        products = [
            Tensor(f"{name}.{part}_proj", hidden, hidden, RANKS, quantizable=True)
            for part in ("q", "k", "v", "out")
        ]
        return [
            *products,
            Tensor(f"{name}.qv_proj.bias", 2 * hidden, sharding=RANKS),
            Tensor(f"{name}.k_proj.bias", hidden, sharding=RANKS, stored=False),
            Tensor(f"{name}.out_proj.bias", hidden),
            Tensor("norm", self.norm_elements),
        ]

    def _passes(self, width: int) -> Iterator[Tensor]:
        yield from self._mlp("mlp", width)
        yield Tensor("norm", self.norm_elements)

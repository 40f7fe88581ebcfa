"""Model architectures: from a Hugging Face ``config.json`` to a ``Shape``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from rackwright.errors import Fault, SpecError
from rackwright.models.beside import FalconH1, Jamba
from rackwright.models.by_hand import Figures, shape_by_hand
from rackwright.models.config import Config
from rackwright.models.decoder import Decoder
from rackwright.models.delta import Glm5Next, KimiLinear
from rackwright.models.encoder import Encoder
from rackwright.models.families import FAMILIES
from rackwright.models.gemma4 import Gemma4
from rackwright.models.lfm2 import Lfm2
from rackwright.models.mamba import GraniteHybrid
from rackwright.models.mimo import MiMoV2
from rackwright.models.nas import Nas
from rackwright.models.nemotron_h import NemotronH
from rackwright.models.quantization import DTYPE_BYTES, NAMED, Quantization, read_quantization
from rackwright.models.shape import Experts, KvCache, Layer, Shape, Sharding, Tensor
from rackwright.models.whisper import Whisper
from rackwright.models.wrappers import (
    BY_TYPE,
    inner_key,
    inner_type,
    is_wrapper,
    text_architecture,
    text_values,
)

__all__ = [
    "DTYPE_BYTES",
    "FAMILIES",
    "NAMED",
    "Experts",
    "Figures",
    "KvCache",
    "Layer",
    "Quantization",
    "Shape",
    "Sharding",
    "Tensor",
    "read_shape",
    "shape_by_hand",
]

DECODERS = {
    "DeciLMForCausalLM": Nas,
    "FalconH1ForCausalLM": FalconH1,
    "Gemma4ForCausalLM": Gemma4,
    "Glm5NextForCausalLM": Glm5Next,
    "GraniteMoeHybridForCausalLM": GraniteHybrid,
    "JambaForCausalLM": Jamba,
    "KimiLinearForCausalLM": KimiLinear,
    "Lfm2ForCausalLM": Lfm2,
    "MiMoV2FlashForCausalLM": MiMoV2,
    "NemotronHForCausalLM": NemotronH,
    "WhisperForConditionalGeneration": Whisper,
}
"""Families whose layers are read by a class of their own."""
BY_HAND = "give its memory by hand as `figures` instead of `config` (docs/planner.md)"


def read_shape(values: Mapping[str, Any], path: str = "config") -> Shape:
    """The shape of the model whose ``config.json`` is ``values``.

    Raises SpecError with every fault, among them an architecture that is not known: what cannot
    be computed is never guessed.
    """
    if not isinstance(values, Mapping):
        raise SpecError([Fault(path, "must be a dict, as in config.json", values)])
    architecture = _architecture(values, path)
    text_only = is_wrapper(architecture)
    if text_only:
        architecture, values, path = _text_model(architecture, values, path)
    config = Config(values, path)
    shape = replace(_shape(architecture, config), text_only=text_only)
    config.settle()
    return shape


def _text_model(
    architecture: str, values: Mapping[str, Any], path: str
) -> tuple[str, dict[str, Any], str]:
    """The model of text inside one that sees or hears: architecture, keys, where they stand."""
    inner, key = text_values(architecture, values), inner_key(values)
    where = f"{path}.{key}" if key in values or inner is None else path
    if inner is None:
        raise SpecError([Fault(where, "is required", values.get(key))])
    named = text_architecture(architecture, values)
    if named is None:
        rule = f"must be one of {', '.join(sorted(BY_TYPE))}; or {BY_HAND}"
        raise SpecError([Fault(f"{where}.model_type", rule, inner_type(values))])
    return named, inner, where


def _architecture(values: Mapping[str, Any], path: str) -> str:
    named = values.get("architectures")
    where = f"{path}.architectures"
    if not (isinstance(named, (list, tuple)) and len(named) == 1 and isinstance(named[0], str)):
        raise SpecError([Fault(where, "must be a list of one name", named)])
    architecture = str(named[0])
    if architecture not in FAMILIES and not is_wrapper(architecture):
        rule = f"is an architecture that cannot be judged; {BY_HAND}"
        raise SpecError([Fault(where, rule, architecture)])
    return architecture


def _shape(architecture: str, config: Config) -> Shape:
    family = FAMILIES[architecture]
    usual = Encoder if family.encoder else Decoder
    decoder = DECODERS.get(architecture, usual)(config, family)
    vocabulary, hidden = config.count("vocab_size"), decoder.hidden
    tied = config.flag("tie_word_embeddings", family.tied) or family.headless
    layers = decoder.layers()
    return Shape(
        architecture=architecture,
        hidden_size=hidden,
        heads=decoder.heads,
        kv_heads=1 if family.latent else decoder.kv_heads,
        vocab_size=vocabulary,
        layers=layers,
        embedding=Tensor("embed_tokens", vocabulary, hidden, Sharding.VOCABULARY),
        head=Tensor("lm_head", vocabulary, hidden, Sharding.VOCABULARY),
        norm=Tensor("norm", decoder.norm_elements if family.final_norm else 0),
        rotary=decoder.rotary(),
        tied=tied,
        max_position_embeddings=decoder.rope.context,
        unscaled_context=decoder.rope.unscaled,
        dtype=_dtype(config),
        quantization=_quantization(config),
        beside=decoder.beside(),
        widths=decoder.widths(),
        padded_experts=family.padded_experts,
        answers=family.answers,
        second_runner=family.on_second_runner,
        float16=family.float16,
    )


def _dtype(config: Config) -> str:
    dtype = config.text("dtype") or config.text("torch_dtype", "bfloat16")
    if dtype == "float32":
        return "bfloat16"  # vLLM's "auto" halves float32 checkpoints
    if dtype not in ("bfloat16", "float16"):
        config.fault("torch_dtype", "must be bfloat16, float16 or float32", dtype)
        return "bfloat16"
    return dtype


def _quantization(config: Config) -> Quantization | None:
    try:
        return read_quantization(config.values)
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        rule = str(error) if type(error) is ValueError else "cannot be read"
        config.fault("quantization_config", rule)
        return None

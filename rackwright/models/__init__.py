"""Model architectures: from a Hugging Face ``config.json`` to a ``Shape``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from rackwright.errors import Fault, SpecError
from rackwright.models.by_hand import Figures, shape_by_hand
from rackwright.models.config import Config
from rackwright.models.decoder import Decoder
from rackwright.models.families import FAMILIES
from rackwright.models.quantization import DTYPE_BYTES, NAMED, Quantization, read_quantization
from rackwright.models.shape import Experts, KvCache, Layer, Shape, Sharding, Tensor

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

TEXT_OF = {
    "Gemma3ForConditionalGeneration": "Gemma3ForCausalLM",
    "Mistral3ForConditionalGeneration": "MistralForCausalLM",
    "Qwen3_5ForConditionalGeneration": "Qwen3_5ForCausalLM",
    "Qwen3_5MoeForConditionalGeneration": "Qwen3_5MoeForCausalLM",
}
"""Models of text and images, by the architecture of their text half, which is what is served."""
_SHARED = ("dtype", "torch_dtype", "tie_word_embeddings", "quantization_config")
BY_HAND = "give its memory by hand as `figures` instead of `config` (docs/planner.md)"


def read_shape(values: Mapping[str, Any], path: str = "config") -> Shape:
    """The shape of the model whose ``config.json`` is ``values``.

    Raises SpecError with every fault, among them an architecture that is not known: what cannot
    be computed is never guessed.
    """
    if not isinstance(values, Mapping):
        raise SpecError([Fault(path, "must be a dict, as in config.json", values)])
    architecture = _architecture(values, path)
    text_only = architecture in TEXT_OF
    if text_only:
        inner = values.get("text_config")
        if not isinstance(inner, Mapping):
            raise SpecError([Fault(f"{path}.text_config", "is required", inner)])
        shared = {key: value for key, value in values.items() if key in _SHARED}
        values, path = {**shared, **inner}, f"{path}.text_config"
        architecture = TEXT_OF[architecture]
    config = Config(values, path)
    shape = replace(_shape(architecture, config), text_only=text_only)
    config.settle()
    return shape


def _architecture(values: Mapping[str, Any], path: str) -> str:
    named = values.get("architectures")
    where = f"{path}.architectures"
    if not (isinstance(named, (list, tuple)) and len(named) == 1 and isinstance(named[0], str)):
        raise SpecError([Fault(where, "must be a list of one name", named)])
    architecture = str(named[0])
    if architecture not in FAMILIES and architecture not in TEXT_OF:
        rule = f"is an architecture that cannot be judged; {BY_HAND}"
        raise SpecError([Fault(where, rule, architecture)])
    return architecture


def _shape(architecture: str, config: Config) -> Shape:
    family = FAMILIES[architecture]
    decoder = Decoder(config, family)
    vocabulary, hidden = config.count("vocab_size"), decoder.hidden
    tied = config.flag("tie_word_embeddings", family.tied)
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
        norm=Tensor("norm", hidden),
        rotary=decoder.rotary(),
        tied=tied,
        max_position_embeddings=decoder.rope.context,
        unscaled_context=decoder.rope.unscaled,
        dtype=_dtype(config),
        quantization=_quantization(config),
        widths=decoder.widths(),
        padded_experts=family.padded_experts,
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

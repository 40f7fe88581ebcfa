"""From a Hugging Face ``config.json`` to the shape of its model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from rackwright.errors import Fault, SpecError
from rackwright.models.classes import class_of
from rackwright.models.config import Config
from rackwright.models.decoders import decoder_of
from rackwright.models.diffusion_gemma import NAME as DIFFUSION_GEMMA
from rackwright.models.diffusion_gemma import with_canvas
from rackwright.models.families import FAMILIES, base_of, family_of
from rackwright.models.family import Family
from rackwright.models.gemma4_unified import NAME as GEMMA4_UNIFIED
from rackwright.models.gemma4_unified import embedders
from rackwright.models.hearing import TRANSCRIBES, read_ear
from rackwright.models.modernvbert import NAME as MODERN_VBERT
from rackwright.models.modernvbert import tower_of
from rackwright.models.quantization import (
    OLDER_KEY,
    QUANTIZATION_FILE,
    Quantization,
    read_quantization,
)
from rackwright.models.quantization.lists import RefusedProduct
from rackwright.models.quantization.misread import UNREAD, misread
from rackwright.models.shape import Shape, Sharding, Tensor
from rackwright.models.staging import UNSTAGED
from rackwright.models.unknown import BY_HAND, draft_rule, other_version_rule, unknown_rule
from rackwright.models.vision import read_tower
from rackwright.models.wrappers import (
    ANY_TEXT,
    BY_TYPE,
    BY_VERSION,
    OF_MISTRAL,
    OF_NEAR_SECTIONS,
    TEXT_OF,
    VERSIONED,
    inner_key,
    inner_type,
    is_wrapper,
    outer_keys,
    seen_as,
    text_architecture,
    text_values,
    thinker,
)


def read_shape(values: Mapping[str, Any], path: str = "config") -> Shape:
    """The shape of the model whose ``config.json`` is ``values``.

    Raises SpecError with every fault, among them an architecture that is not known: what cannot
    be computed is never guessed.
    """
    if not isinstance(values, Mapping):
        raise SpecError([Fault(path, "must be a dict, as in config.json", values)])
    architecture = seen_as(_architecture(values, path), values)
    staged = architecture not in UNSTAGED
    if not is_wrapper(architecture):
        return replace(_settled(architecture, values, path, {}, values), staged=staged)
    near = architecture in OF_NEAR_SECTIONS
    text = _settled(*_text_model(architecture, values, path), values, near)
    shape = replace(text, text_only=True, staged=staged)
    tower, reason = read_tower(architecture, values, path, shape.hidden_size)
    ear, unhearing = read_ear(architecture, values, path, shape.hidden_size)
    shape = replace(
        shape,
        tower=tower,
        unseeing=reason,
        ear=ear,
        unhearing=unhearing,
        transcribes=architecture in TRANSCRIBES,
    )
    if architecture == DIFFUSION_GEMMA:
        return with_canvas(shape, values, path)
    if architecture == MODERN_VBERT:
        return replace(shape, beside=(*shape.beside, *tower_of(values, path, shape.hidden_size)))
    if architecture != GEMMA4_UNIFIED:
        return shape
    return replace(shape, beside=(*shape.beside, *embedders(values, path, shape.hidden_size)))


def _settled(
    architecture: str,
    values: Mapping[str, Any],
    path: str,
    places: Mapping[str, str],
    whole: Mapping[str, Any],
    near: bool = False,
) -> Shape:
    config = Config(values, path, places)
    config.read_as(class_of(values, thinker(whole, path)[0]))
    family = family_of(architecture)
    shape = _shape(architecture, replace(family, section_reach=1) if near else family, config)
    config.settle()
    return shape


def _text_model(
    architecture: str, values: Mapping[str, Any], path: str
) -> tuple[str, dict[str, Any], str, dict[str, str]]:
    """The model of text inside one that sees or hears: architecture, keys, where they stand."""
    whole, outside = values, path
    values, path = thinker(values, path)
    inner, key = text_values(architecture, values), inner_key(values)
    where = f"{path}.{key}" if key in values or inner is None else path
    if inner is None:
        raise SpecError([Fault(where, "is required", values.get(key))])
    kind = inner.get("model_type")
    if kind is not None and not isinstance(kind, str):
        raise SpecError([Fault(f"{where}.model_type", "must be a string", kind)])
    named = text_architecture(architecture, values)
    if named is None and architecture == VERSIONED:
        rule = f"must be one of {', '.join(BY_VERSION)}"
        raise SpecError([Fault(f"{path}.version", rule, values.get("version"))])
    if named is None:
        rule = f"must be one of {', '.join(sorted(BY_TYPE))}; or {BY_HAND}"
        rule += "; or name its params.json" if architecture in OF_MISTRAL else ""
        raise SpecError([Fault(f"{where}.model_type", rule, inner_type(values))])
    places = {key: outside if key in whole else path for key in outer_keys(architecture, values)}
    return named, inner, where, places


def is_known(values: Mapping[str, Any]) -> bool:
    """Whether a config names one architecture whose tensors can be computed."""
    named = values.get("architectures")
    if not (isinstance(named, (list, tuple)) and len(named) == 1):
        return False
    name = named[0]
    return isinstance(name, str) and bool(base_of(name) or is_wrapper(name))


def _architecture(values: Mapping[str, Any], path: str) -> str:
    named = values.get("architectures")
    where = f"{path}.architectures"
    if not (isinstance(named, (list, tuple)) and len(named) == 1 and isinstance(named[0], str)):
        raise SpecError([Fault(where, "must be a list of one name", named)])
    architecture = str(named[0])
    rule = draft_rule(values) or other_version_rule(architecture, values)
    if not rule and not (base_of(architecture) or is_wrapper(architecture)):
        rule = unknown_rule(architecture, {*FAMILIES, *TEXT_OF, *ANY_TEXT}, values)
    if rule:
        raise SpecError([Fault(where, rule, architecture)])
    return architecture


def _shape(architecture: str, family: Family, config: Config) -> Shape:
    decoder = decoder_of(base_of(architecture), family)(config, family)
    vocabulary, hidden = config.count("vocab_size"), decoder.hidden
    untabled = family.headless and not family.keeps_head
    tied = config.flag("tie_word_embeddings", family.tied) or untabled
    layers = decoder.layers()
    shape = Shape(
        architecture=architecture,
        hidden_size=hidden,
        heads=decoder.heads,
        kv_heads=1 if family.latent else decoder.kv_heads,
        vocab_size=vocabulary,
        layers=layers,
        embedding=Tensor("embed_tokens", vocabulary, hidden, Sharding.VOCABULARY),
        head=Tensor(
            "lm_head", vocabulary, hidden, Sharding.VOCABULARY, stored=not family.keeps_head
        ),
        norm=Tensor("norm", decoder.norm_elements if family.final_norm else 0),
        rotary=decoder.rotary(),
        tied=tied,
        max_position_embeddings=decoder.rope.context,
        unscaled_context=decoder.rope.unscaled,
        dtype=_dtype(config, family),
        quantization=_quantization(config),
        beside=decoder.beside(),
        widths=decoder.widths(),
        seams=decoder.seams(),
        padded_experts=family.padded_experts,
        least_width=family.least_width,
        answers=family.answers,
        float16=family.float16,
    )
    _check_schemes(config, shape)
    return decoder.hearing(shape)


def _dtype(config: Config, family: Family) -> str:
    """As vLLM's "auto" has it, which halves float32: to float16 where no text is written.

    Source: _resolve_auto_dtype in vllm/config/model.py, 0.32.
    """
    written = config.text("dtype") or config.text("torch_dtype", "bfloat16")
    dtype = {"half": "float16", "float": "float32"}.get(written, written)  # as torch has them
    if dtype == "float32":
        return "float16" if family.headless and family.float16 else "bfloat16"
    if dtype not in ("bfloat16", "float16"):
        key = config.first("dtype", "torch_dtype")
        config.fault(key, "must be bfloat16, float16 or float32", dtype)
        return "bfloat16"
    return dtype


def _quantization(config: Config) -> Quantization | None:
    try:
        return read_quantization(config.values)
    except UNREAD:
        key = config.first("quantization_config", OLDER_KEY)
        where, rule, value = misread(read_quantization, config.values, key)
        config.fault(where, f"{rule}{_elsewhere(config.values[key])}", value)
        return None


def _elsewhere(entry: object) -> str:
    """The file that has the keys under ``quantization``, where it is not the config itself."""
    beside = isinstance(entry, Mapping) and "quantization" in entry
    return f", in {QUANTIZATION_FILE}" if beside else ""


def _check_schemes(config: Config, shape: Shape) -> None:
    """Products that the engine makes one of several must be quantized alike."""
    try:
        _ = shape.schemes, shape.head_scheme
    except RefusedProduct as error:
        config.fault(config.first("quantization_config", OLDER_KEY), str(error))

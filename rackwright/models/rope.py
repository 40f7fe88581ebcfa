"""How far a model's positions reach: ``rope_scaling``, or ``rope_parameters`` by its newer name.

The longest context follows vLLM 0.32 (``_get_and_verify_max_len`` in vllm/config/model.py) and what
transformers 5 makes of the keys before it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from rackwright.models.config import MOST, Config

MOST_STRETCH = 1000
UNSCALED = ("su", "longrope", "llama3")
"""Kinds whose ``max_position_embeddings`` is the stretched length already."""
KINDS = (
    *("default", "linear", "dynamic", "ntk", "yarn", "longrope", "su", "llama3"),
    *("mrope", "proportional", "xdrope", "deepseek_yarn", "deepseek_llama_scaling"),
)
"""Kinds that vLLM has an embedding for; it ends at any other."""
IN_SECTIONS = ("default", "mrope", "yarn")
"""Kinds of which vLLM reads ``mrope_section`` (its ``get_rope``)."""
STRETCHED_BY_FACTOR = ("linear", "ntk", "yarn", "llama3", "deepseek_yarn", "deepseek_llama_scaling")
"""Kinds of which vLLM reads ``factor`` and ends without one (its ``get_rope``)."""


class Rope(NamedTuple):
    """Positions that the engine's table holds, the most tokens of one request, and the length that
    the model's config names without its scaling. ``sections``: a token's are three, of a picture.
    """

    positions: int
    context: int
    unscaled: int
    sections: bool = False


def read_rope(config: Config, scaled_context: bool = False) -> Rope:
    """What the scaling makes of ``max_position_embeddings``; what is wrong with it is noted.

    ``scaled_context``: a family that counts the scaling in ``max_position_embeddings`` already.
    """
    own = config.count("max_position_embeddings", "n_positions", "model_max_length")
    base, factor, sections = own, 1.0, False
    for path, entry in _entries(config):
        kind = _kind(config, path, entry)
        sections = sections or ("mrope_section" in entry and kind in IN_SECTIONS)
        given = _factor(config, path, entry, factor, needed=kind in STRETCHED_BY_FACTOR)
        if kind in UNSCALED:
            continue
        factor = given
        if kind == "yarn":
            base = _original(config, path, entry, own)
    stretched = int(base * factor)
    return Rope(stretched, own if scaled_context else stretched, own, sections)


def _entries(config: Config) -> list[tuple[str, Mapping[str, Any]]]:
    """The scaling by its path: one, or one a kind of layer; none where the model has none."""
    for key in ("rope_scaling", "rope_parameters"):
        value = config.values.get(key)
        if not value and not isinstance(value, bool | int | float):
            continue
        if not isinstance(value, Mapping):
            config.fault(key, "must be a dict of rope_type and its figures", value)
            return []
        if all(isinstance(inner, Mapping) for inner in value.values()):
            return [(f"{key}.{kind}", inner) for kind, inner in value.items()]
        return [(key, value)]
    return []


def _kind(config: Config, path: str, entry: Mapping[str, Any]) -> str:
    """``rope_type``, which older files call ``type``."""
    key = "rope_type" if "rope_type" in entry else "type"
    kind = entry.get(key, "default")
    if kind in KINDS:
        return str(kind)
    config.fault(f"{path}.{key}", f"must be one of {', '.join(KINDS)}", kind)
    return "default"


def _factor(
    config: Config, path: str, entry: Mapping[str, Any], usual: float, needed: bool
) -> float:
    factor = entry.get("factor", None if needed else usual)
    if factor is None and not needed:
        return 1.0
    if type(factor) in (int, float) and 1 <= factor <= MOST_STRETCH:
        return float(factor)
    rule = "is required" if factor is None else f"must be 1 to {MOST_STRETCH}"
    config.fault(f"{path}.factor", rule, factor)
    return usual


def _original(config: Config, path: str, entry: Mapping[str, Any], own: int) -> int:
    """The length before the scaling: beside the model's own, in the entry, or the model's own."""
    key = "original_max_position_embeddings"
    if config.values.get(key) is not None:
        return config.count(key)
    original = entry.get(key, own)
    if type(original) is int and 1 <= original <= MOST:
        return original
    config.fault(f"{path}.{key}", f"must be a whole number, 1 to {MOST:,}", original)
    return own

"""Mistral's own format: a ``params.json`` as the ``config.json`` that it means.

Source: vllm/transformers_utils/configs/mistral.py (adapt_config_dict), by which vLLM 0.32 reads it
where a repository has ``consolidated*.safetensors`` and ``params.json``, or has no ``config.json``
(transformers_utils/config.py, get_config). What it would not start with is refused here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rackwright.models.classes import DEFAULTS

PARAMS = "params.json"
_NAMES = {
    "dim": "hidden_size",
    "n_kv_heads": "num_key_value_heads",
    "n_layers": "num_hidden_layers",
    "n_heads": "num_attention_heads",
    "hidden_dim": "intermediate_size",
    "tied_embeddings": "tie_word_embeddings",
}
_OF_EXPERTS = {
    "route_every_n": "moe_layer_freq",
    "first_k_dense_replace": "first_k_dense_replace",
    "num_experts_per_tok": "num_experts_per_tok",
    "num_experts": "n_routed_experts",
    "expert_hidden_dim": "moe_intermediate_size",
    "num_shared_experts": "n_shared_experts",
}
_OF_SOUND = {
    "dim": "d_model",
    "n_layers": "encoder_layers",
    "hidden_dim": "encoder_ffn_dim",
    "n_heads": "encoder_attention_heads",
}
_CONTEXT = 128_000
"""Where it is not said: what the engine takes."""


def config_of_params(values: Mapping[str, Any]) -> dict[str, Any]:
    """The keys of a ``config.json``. Raises ValueError with one reason.

    Figures are taken as they are: whoever reads the config judges them.
    """
    text = {_NAMES.get(key, key): value for key, value in values.items()}
    for key in ("vision_encoder", "multimodal", "quantization", "yarn", "moe"):
        text.pop(key, None)
    if text.get("max_position_embeddings") is None:
        text["max_position_embeddings"] = text.get("max_seq_len") or _CONTEXT
    if text.get("model_type") == "mamba":
        raise ValueError(
            "must not be of Mamba 2 (Mamba Codestral), whose sizes it does not have: name its "
            "config.json"
        )
    text |= _experts(values) | _positions(values) | _windows(text)
    text = {**dict.fromkeys(DEFAULTS[text["model_type"]]), **text}  # read by no class: none of its
    quantization = _quantization(values)
    return {**_beside(values, text), **quantization}


def _experts(values: Mapping[str, Any]) -> dict[str, Any]:
    """Latent attention makes a DeepSeek V3 of it, whose MLP is one without experts."""
    experts = values.get("moe")
    if not experts:
        if values.get("qk_nope_head_dim"):
            raise ValueError("must have moe beside latent attention: it is not known without")
        return {"architectures": ["MistralForCausalLM"], "model_type": "mistral"}
    if not (isinstance(experts, Mapping) and experts.get("num_shared_experts")):
        raise ValueError("must have shared experts in moe: the engine serves no others so")
    named = {new: experts[old] for old, new in _OF_EXPERTS.items() if old in experts}
    return {**named, "architectures": ["MistralLarge3ForCausalLM"], "model_type": "deepseek_v3"}


def _positions(values: Mapping[str, Any]) -> dict[str, Any]:
    """YaRN by the names of a config.json: its factor times the original context is the longest."""
    yarn = values.get("yarn")
    if not yarn:
        return {}
    if not isinstance(yarn, Mapping):
        raise ValueError("must have a dict as yarn")
    scaling = {"rope_type": "yarn", "factor": yarn.get("factor")}
    if (original := yarn.get("original_max_position_embeddings")) is not None:
        scaling["original_max_position_embeddings"] = original
    return {"rope_parameters": scaling}


def _windows(text: Mapping[str, Any]) -> dict[str, Any]:
    """A window for all, or a list that is repeated, in which null sees everything."""
    window, layers = text.get("sliding_window"), text.get("num_hidden_layers")
    if not isinstance(window, list) or not window or type(layers) is not int:
        return {}
    sizes = [size for size in window if size]
    if any(type(size) is not int or size != sizes[0] for size in sizes) or layers > _CONTEXT:
        raise ValueError("must have one size in sliding_window, or null")
    kinds = ["sliding_attention" if size else "full_attention" for size in window]
    return {
        "sliding_window": sizes[0] if sizes else None,
        "layer_types": kinds * (layers // len(window)),
    }


def _quantization(values: Mapping[str, Any]) -> dict[str, Any]:
    written = values.get("quantization")
    if not written:
        return {}
    if isinstance(written, Mapping):
        if written.get("qformat_weight") == "fp8_e4m3":
            return {"quantization_config": {"quant_method": "fp8"}}
        method = str(written.get("quant_method", "")).lower().replace("_", "-")
        if method == "compressed-tensors":
            return {"quantization_config": {**written, "quant_method": method}}
    raise ValueError("must have a quantization of fp8_e4m3 or compressed-tensors")


def _beside(values: Mapping[str, Any], text: dict[str, Any]) -> dict[str, Any]:
    """A model that sees or hears has its text model inside."""
    beside = values.get("multimodal") or {}
    if not isinstance(beside, Mapping):
        raise ValueError("must have a dict as multimodal")
    heard = beside.get("whisper_model_args") or {}
    inside = heard.get("encoder_args") if isinstance(heard, Mapping) else None
    if isinstance(inside, Mapping):
        if inside.get("causal"):
            raise ValueError("must not hear as it goes (VoxtralRealtime), which is not known yet")
        sound = {new: inside.get(old) for old, new in _OF_SOUND.items()}
        name = "VoxtralForConditionalGeneration"
        return {"architectures": [name], "text_config": text, "audio_config": sound}
    seen = beside.get("vision_encoder_args") or values.get("vision_encoder")
    if not seen:
        return text
    name = "PixtralForConditionalGeneration"
    return {"architectures": [name], "text_config": text, "vision_config": seen}

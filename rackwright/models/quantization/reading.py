"""From a ``quantization_config``, by whichever of the methods it names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from rackwright.models.quantization.compressed import compressed_tensors
from rackwright.models.quantization.floats import deepseek_v4, fbgemm_fp8, fp8, mxfp4
from rackwright.models.quantization.integers import INSTEAD, autoround, awq, gptq
from rackwright.models.quantization.kind import Quantization
from rackwright.models.quantization.modelopt import kv_cache, modelopt
from rackwright.models.quantization.quark import quark
from rackwright.models.quantization.torchao import torchao
from rackwright.models.quantization.values import entry_in

Entry = Mapping[str, Any]
READERS: dict[str, Callable[[Entry], Quantization]] = {
    "auto-round": autoround,
    "awq": awq,
    "compressed-tensors": compressed_tensors,
    "fbgemm_fp8": fbgemm_fp8,
    "fp8": fp8,
    "gptq": gptq,
    "modelopt": modelopt,
    "mxfp4": mxfp4,
    "quark": quark,
    "torchao": torchao,
}
SAME = {
    "auto_awq": "awq",
    "auto_gptq": "gptq",
    "awq_marlin": "awq",
    "compressed_tensors": "compressed-tensors",
    "gpt_oss_mxfp4": "mxfp4",
    "gptq_marlin": "gptq",
    "inc": "auto-round",
    "modelopt_fp4": "modelopt",
    "modelopt_mixed": "modelopt",
    "modelopt_mxfp8": "modelopt",
}
"""Other names of the same methods."""
UNSERVED = ("aqlm", "bitnet", "bitsandbytes", "eetq", "gguf", "hqq", "quip", "spqr", "vptq")
"""Methods that the engine does not know (QUANTIZATION_METHODS, quantization/__init__.py, 0.32)."""
NOT_YET = ("experts_int8", "fp_quant", "humming", "moe_wna16")
"""Methods that the engine knows, and this package does not yet."""


QUANTIZATION_FILE = "hf_quant_config.json"
OLDER_KEY = "compression_config"
"""What older files of compressed-tensors call theirs (_normalize_quantization_config in
transformers_utils/model_arch_config_convertor.py, 0.32).
"""


def read_quantization(config: Entry) -> Quantization | None:
    """The quantization a checkpoint was released with; None for none.

    ``config`` is the whole ``config.json``. Raises ValueError for a method that is not known.
    """
    entry = config.get("quantization_config") or config.get(OLDER_KEY)
    if not entry:
        return None
    method = method_of(entry_in(entry))
    if method in UNSERVED:
        raise ValueError(
            f"is {method}, which is not supported: vLLM 0.32 does not serve it; {INSTEAD}"
        )
    if method in NOT_YET:
        raise ValueError(f"is {method}, which is not supported yet; {INSTEAD}")
    if not method and {"bits", "group_size"} <= set(entry):
        raise ValueError(
            f"names no quant_method, as files for MLX do, which vLLM does not serve; {INSTEAD}"
        )
    reader = READERS.get(method)
    if reader is None:
        known = ", ".join(sorted(READERS))
        raise ValueError(f"must be one of {known}, not {method or 'without quant_method'!r}")
    read = _own(config, method) or reader(entry)
    return replace(read, kv_cache=_kv_cache(method, entry))


def _own(config: Entry, method: str) -> Quantization | None:
    """What the engine makes of a method for one type of model alone; None for all others.

    Source: DeepseekV4FP8Config.override_quantization_method in vllm/models/deepseek_v41,
    _configure_ling_fp8_quant_config in model_executor/models/bailing_moe_v3.py, and
    KimiK3ForConditionalGenerationConfig in models/config.py beside it.
    """
    kind = config.get("model_type")
    entry = config.get("quantization_config") or config[OLDER_KEY]
    if method == "fp8" and str(kind).startswith("deepseek_v4"):
        return deepseek_v4({**config, "quantization_config": entry})
    if method == "fp8" and entry.get("routed_experts_quant_method") == "mxfp4":
        return deepseek_v4({"expert_dtype": "fp4", "quantization_config": entry})
    packed = entry.get("format") == "mxfp4-pack-quantized"
    if method == "compressed-tensors" and kind == "kimi_linear" and packed:
        return mxfp4(entry)
    return None


def method_of(entry: Entry) -> str:
    """The method in its usual name; ModelOpt's files may leave it out."""
    method = str(entry.get("quant_method", "")).lower()
    inner = entry.get("quantization", entry)
    if not method and isinstance(inner, Mapping) and "quant_algo" in inner:
        return "modelopt"
    return SAME.get(method, method)


def _kv_cache(method: str, entry: Entry) -> str | None:
    """compressed-tensors has it wherever it has a scheme, of FP8 alone.

    Source: CompressedTensorsKVCacheMethod.validate_kv_cache_scheme, and Attention in
    layers/attention/attention.py.
    """
    if method == "modelopt":
        return kv_cache(entry)
    scheme = entry.get("kv_cache_scheme")
    if method != "compressed-tensors" or scheme is None:
        return None
    scheme = entry_in(scheme)
    if (scheme.get("type"), scheme.get("num_bits")) != ("float", 8):
        raise ValueError(
            "must have a kv_cache_scheme of type float and 8 bits: vLLM 0.32 has no other"
        )
    return "fp8"


def with_file_beside(config: Entry, beside: Entry | None) -> dict[str, Any]:
    """A ``config.json`` with what ``hf_quant_config.json`` beside it says.

    It counts where the first has no ``quantization_config`` (transformers_utils/config.py, 0.32).
    """
    if not beside or config.get("quantization_config"):
        return dict(config)
    return {**config, "quantization_config": {"quant_method": "modelopt", **beside}}

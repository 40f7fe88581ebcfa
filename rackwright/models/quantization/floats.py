"""FP8 and MXFP4 as their own methods."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from rackwright.models.quantization.choices import Every, Experts, RoutedApart
from rackwright.models.quantization.kind import Quantization
from rackwright.models.quantization.lists import Names
from rackwright.models.quantization.scheme import (
    FP8,
    FP8_ROWS,
    FP8_STATIC,
    MXFP4,
    MXFP8,
    NVFP4,
    fp8_blocks,
)
from rackwright.models.quantization.values import names_in, sizes


def fp8(entry: Mapping[str, Any]) -> Quantization:
    """Fp8Config in quantization/fp8.py, 0.32.

    It compares whole names; a module that is named is taken with all inside it, as transformers
    means its lists, so that nothing is planned too small.
    """
    block = entry.get("weight_block_size")
    usual = FP8_STATIC if entry.get("activation_scheme") == "static" else FP8
    if block:
        usual = fp8_blocks(*sizes(block))
    kept = names_in(entry.get("ignored_layers") or entry.get("modules_to_not_convert"))
    return Quantization("fp8", usual, Every(Names(kept, below=True)))


def deepseek_v4(config: Mapping[str, Any]) -> Quantization:
    """FP8 in blocks, and experts as ``expert_dtype`` and ``moe_quant_algo`` say.

    Beside experts in 4 bits a block's scale is a byte; blocks of 32 are held as MXFP8. Source:
    DeepseekV4FP8Config in quant_config.py of vllm/models/deepseek_v4 and deepseek_v41, 0.32. Raises
    ValueError for another ``expert_dtype``.
    """
    entry = config["quantization_config"]
    experts = config.get("expert_dtype") or entry.get("expert_dtype") or "fp4"
    read = fp8(entry)
    if experts == "fp8":
        return read
    if experts != "fp4":
        raise ValueError(f"must stand beside an expert_dtype of fp4 or fp8, not {experts!r}")
    usual = replace(read.usual, scale_bytes=1.0) if read.usual.group else read.usual
    if (usual.group_rows, usual.group) == (MXFP8.group, MXFP8.group):
        usual = replace(MXFP8, outputs=MXFP8.group, compute="fp8")
    routed = NVFP4 if str(entry.get("moe_quant_algo") or "").upper() == "NVFP4" else MXFP4
    return replace(read, usual=usual, choice=RoutedApart(read.choice, routed))


def fbgemm_fp8(entry: Mapping[str, Any]) -> Quantization:
    """The same with a scale for each output (quantization/fbgemm_fp8.py)."""
    kept = Names(names_in(entry.get("modules_to_not_convert")), below=True)
    return Quantization("fp8", FP8_ROWS, Every(kept))


def mxfp4(entry: Mapping[str, Any]) -> Quantization:
    """Experts alone, whatever the list of exceptions says (quantization/mxfp4.py)."""
    return Quantization("mxfp4", MXFP4, Experts())

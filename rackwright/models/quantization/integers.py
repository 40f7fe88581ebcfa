"""GPTQ, AWQ and AutoRound: whole numbers in groups, or what AutoRound rounds besides."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rackwright.models.quantization.choices import Every
from rackwright.models.quantization.kind import Quantization
from rackwright.models.quantization.lists import pattern
from rackwright.models.quantization.names import usual_name
from rackwright.models.quantization.parts import Substrings
from rackwright.models.quantization.rules import SIGNS, Extra, Rules
from rackwright.models.quantization.scheme import MXFP4_GROUPS, MXFP8, Scheme, fp8_blocks, in_groups
from rackwright.models.quantization.values import entries, group_of, names_in, sizes, whole

Entry = Mapping[str, Any]
MOST_BITS = 32
INSTEAD = "take the model in another format (FP8, AWQ, GPTQ of 4 or 8 bits, NVFP4) or unquantized"


def gptq(entry: Entry) -> Quantization:
    """AutoGPTQConfig in quantization/auto_gptq.py and utils/gptq_utils.py, 0.32."""
    usual = _gptq_scheme(entry, {})
    rules = []
    for key, values in entries(entry.get("dynamic")).items():
        left_out = key.startswith("-:")
        text = key.removeprefix("-:").removeprefix("+:")
        pattern(text)
        rules.append((text, None if left_out else _gptq_scheme(entry, values)))
    only = _flat(entry.get("modules_in_block_to_quantize"))
    return Quantization("gptq", usual, Rules(tuple(rules), only, _head(entry)))


def _gptq_scheme(entry: Entry, own: Entry) -> Scheme:
    bits = whole(own.get("bits", entry["bits"]), MOST_BITS)
    size = group_of(own.get("group_size", _group(entry)))
    if bits not in (4, 8) or not own.get("sym", entry.get("sym", True)):
        signs = "symmetric" if own.get("sym", entry.get("sym", True)) else "asymmetric"
        raise ValueError(
            f"is {signs} GPTQ of {bits} bits, which vLLM 0.32 does not serve: "
            f"only symmetric of 4 or 8; {INSTEAD}"
        )
    if own.get("desc_act", entry.get("desc_act")) and size:
        raise ValueError(
            "has desc_act with groups, which vLLM 0.32 no longer serves: take a checkpoint "
            "made without desc_act"
        )
    return in_groups(bits, size)


def _group(entry: Entry) -> object:
    return entry.get("group_size", 128)


def _head(entry: Entry) -> bool:
    return entry.get("lm_head") is True


def _flat(value: object) -> tuple[str, ...]:
    """Names in a list, or in lists of it."""
    if isinstance(value, list) and all(isinstance(each, list) for each in value):
        value = [name for each in value for name in each]
    return tuple(map(usual_name, names_in(value)))


def awq(entry: Entry) -> Quantization:
    """AutoAWQConfig in quantization/auto_awq.py, 0.32: of 4 bits alone."""
    bits = whole(entry.get("w_bit") or entry["bits"], MOST_BITS)
    if bits != 4:
        raise ValueError(f"is AWQ of {bits} bits, which vLLM 0.32 does not serve; {INSTEAD}")
    group = group_of(entry.get("q_group_size", _group(entry)))
    usual = in_groups(4, group, zeros=bool(entry.get("zero_point", True)))
    kept = Substrings(names_in(entry.get("modules_to_not_convert")))
    return Quantization("awq", usual, Every(kept, _head(entry)))


def autoround(entry: Entry) -> Quantization:
    """INCConfig and INCConfigParser in quantization/inc/, 0.32."""
    usual = _rounded(entry, {})
    if usual is None:
        raise ValueError("must have bits below 16")
    rules = []
    for key, values in entries(entry.get("extra_config")).items():
        named = not SIGNS & set(key)
        if not named:
            pattern(key)
        rules.append((usual_name(key) if named else key, _rounded(entry, values)))
    blocks = entry.get("block_name_to_quantize") or entry.get("to_quant_block_names")
    listed = blocks.split(",") if isinstance(blocks, str) else _flat(blocks)
    starts = tuple(usual_name(each.strip()) for each in listed)
    return Quantization("auto-round", usual, Extra(tuple(rules), starts))


def _rounded(entry: Entry, own: Entry) -> Scheme | None:
    """By its ``data_type`` and ``packing_format``; None for 16 bits."""
    bits = whole(own.get("bits", entry["bits"]), MOST_BITS)
    size = own.get("group_size", _group(entry))
    if bits >= 16:
        return None
    kind = str(entry.get("data_type", "int"))
    if "mx_fp" in kind and bits in (4, 8):
        return MXFP4_GROUPS if bits == 4 else MXFP8
    if kind in ("fp", "fp8") and bits == 8:
        if not isinstance(size, (list, tuple)):
            raise ValueError(
                f"is AutoRound's {kind} without blocks, which vLLM 0.32 does not serve"
            )
        return fp8_blocks(*sizes(size))
    if kind != "int" or not 2 <= bits <= 8:
        raise ValueError(f"is AutoRound's {kind} of {bits} bits, which vLLM 0.32 does not serve")
    packing = str(entry.get("packing_format") or "auto_round:auto_gptq")
    if packing not in ("auto_round:auto_gptq", "auto_round:auto_awq"):
        known = "auto_round:auto_gptq or auto_round:auto_awq"
        raise ValueError(f"must have packing_format {known}, not {packing!r}")
    symmetric = own.get("sym", entry.get("sym", True))
    return in_groups(bits, group_of(size), zeros=not symmetric)

"""Safetensors files in little: headers with the places of their tensors, and as many bytes."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

BYTES = {"BF16": 2, "F16": 2, "F32": 4, "I32": 4, "F8_E4M3": 1, "U8": 1}
Tensors = Mapping[str, tuple[str, Sequence[int]]]


def header(tensors: Tensors) -> dict[str, Any]:
    """Entries one behind the other."""
    entries, last = {}, 0
    for name, (dtype, shape) in tensors.items():
        size = BYTES[dtype]
        for dimension in shape:
            size *= dimension
        entries[name] = {"dtype": dtype, "shape": [*shape], "data_offsets": [last, last + size]}
        last += size
    return entries


def file_of(tensors: Tensors) -> bytes:
    """A whole file, its weights zeros."""
    entries = header(tensors)
    last = max((entry["data_offsets"][1] for entry in entries.values()), default=0)
    return raw(json.dumps({"__metadata__": {"format": "pt"}, **entries}).encode(), last)


def raw(text: bytes, data: int) -> bytes:
    """A file of this header, whatever it is, and so many bytes behind it."""
    return struct.pack("<Q", len(text)) + text + bytes(data)


def model_files(shards: Mapping[str, Tensors]) -> dict[str, bytes]:
    """Files by name, with the index that names them."""
    homes = {name: file for file, tensors in shards.items() for name in tensors}
    index = json.dumps({"metadata": {}, "weight_map": homes}).encode()
    made = {file: file_of(tensors) for file, tensors in shards.items()}
    return {"model.safetensors.index.json": index, **made}


def decoder_tensors(config: Mapping[str, Any]) -> dict[str, tuple[str, Sequence[int]]]:
    """Those of a small Llama, or of one that nobody knows and that is built like it."""
    hidden, width, words = (config[k] for k in ("hidden_size", "intermediate_size", "vocab_size"))
    head = hidden // config["num_attention_heads"]
    keys = head * config["num_key_value_heads"]
    found: dict[str, tuple[str, Sequence[int]]] = {
        "model.embed_tokens.weight": ("BF16", [words, hidden])
    }
    for number in range(config["num_hidden_layers"]):
        for name, shape in (
            ("self_attn.q_proj", [hidden, hidden]),
            ("self_attn.k_proj", [keys, hidden]),
            ("self_attn.v_proj", [keys, hidden]),
            ("self_attn.o_proj", [hidden, hidden]),
            ("mlp.gate_proj", [width, hidden]),
            ("mlp.up_proj", [width, hidden]),
            ("mlp.down_proj", [hidden, width]),
            ("input_layernorm", [hidden]),
            ("post_attention_layernorm", [hidden]),
        ):
            found[f"model.layers.{number}.{name}.weight"] = ("BF16", shape)
    found["model.norm.weight"] = ("BF16", [hidden])
    return {**found, "lm_head.weight": ("BF16", [words, hidden])}


def write_model(folder: Path, config: Mapping[str, Any], tensors: Tensors | None = None) -> Path:
    """A directory with a config and one file of weights."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    content = file_of(decoder_tensors(config) if tensors is None else tensors)
    (folder / "model.safetensors").write_bytes(content)
    return folder

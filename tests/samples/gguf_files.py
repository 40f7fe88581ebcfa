"""GGUF files as small as they can be: a header, and nothing where the tensors' data would be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from struct import pack
from typing import Any

from rackwright.models.ggml_types import GGML_TYPES

F32, Q4_K, Q6_K = 0, 12, 14
Tensors = Mapping[str, tuple[Sequence[int], int]]
"""Name to dimensions, the fastest first, and number of the type."""


def header(metadata: Mapping[str, Any], tensors: Tensors, version: int = 3) -> bytes:
    """The header of a file; offsets are left at 0, as no reader of headers needs them."""
    made = bytearray(b"GGUF" + pack("<IQQ", version, len(tensors), len(metadata)))
    for key, value in metadata.items():
        made += text(key) + _value(value)
    for name, (dimensions, kind) in tensors.items():
        made += text(name) + pack(f"<I{len(dimensions)}Q", len(dimensions), *dimensions)
        made += pack("<IQ", kind, 0)
    return bytes(made)


def text(words: str) -> bytes:
    """A text with its length before it."""
    return pack("<Q", len(words.encode())) + words.encode()


def _value(value: Any) -> bytes:
    if isinstance(value, list):
        kind = 8 if isinstance(value[0], str) else 5
        items = [text(item) if kind == 8 else pack("<i", item) for item in value]
        return pack("<IIQ", 9, kind, len(value)) + b"".join(items)
    if isinstance(value, str):
        return pack("<I", 8) + text(value)
    return pack("<II", 4, value)


def size_of(tensors: Tensors) -> int:
    """Bytes of the tensors' data."""
    total = 0
    for dimensions, kind in tensors.values():
        elements = 1
        for size in dimensions:
            elements *= size
        total += elements // GGML_TYPES[kind].block * GGML_TYPES[kind].bytes
    return total


def write(path: Path, metadata: Mapping[str, Any], tensors: Tensors) -> Path:
    """A file as long as it would be, which takes no room on the disk."""
    made = header(metadata, tensors)
    path.write_bytes(made)
    with path.open("r+b") as file:
        file.truncate(len(made) + size_of(tensors))
    return path


def metadata(architecture: str, layers: int, **own: Any) -> dict[str, Any]:
    """The keys that every model has, and its own, whose dots are written as two underscores."""
    usual = {
        "context_length": 32768,
        "embedding_length": 256,
        "block_count": layers,
        "feed_forward_length": 512,
        "attention.head_count": 4,
        "attention.head_count_kv": 2,
    }
    keys = usual | {key.replace("__", "."): value for key, value in own.items()}
    named = {f"{architecture}.{key}": value for key, value in keys.items() if value is not None}
    return {"general.architecture": architecture, **named}


def tensors(layers: int) -> dict[str, tuple[Sequence[int], int]]:
    """Of each layer one matrix, the first in Q6_K and the others in Q4_K; a table without head."""
    made: dict[str, tuple[Sequence[int], int]] = {
        "token_embd.weight": ((256, 512), Q6_K),
        "output_norm.weight": ((256,), F32),
    }
    for layer in range(layers):
        made[f"blk.{layer}.attn_q.weight"] = ((256, 256), Q4_K if layer else Q6_K)
        made[f"blk.{layer}.attn_norm.weight"] = ((256,), F32)
    return made

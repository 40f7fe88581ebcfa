"""Weights of the real size for a dense model of the catalog: random, and small enough to compute.

    python -m lab.random_weights llama-3.1-8b-instruct /srv/models/llama-3.1-8b-instruct

For measuring how long it takes to load them, which made-up ones (``lab/dummy_model.py``) do not
tell. What the model says is nonsense. Written at the speed of the disk; 16 GB for 8B.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from struct import pack
from typing import Any

from lab import dummy_model
from lab.errors import LabError
from rackwright.exits import exits

Tensor = tuple[str, tuple[int, ...]]
KINDS = ("LlamaForCausalLM", "Qwen3ForCausalLM")
SHARD_BYTES = 4 << 30
BLOCK_BYTES = 16 << 20
NUMBER_BYTES = 2
EXPONENTS = b"\x3c\xbc"
"""High bytes of bfloat16 numbers of either sign around 2^-7."""


def tensors(config: dict[str, Any]) -> Iterator[Tensor]:
    """Names and shapes as the model's own files have them. LabError for another kind."""
    if config["architectures"][0] not in KINDS:
        raise LabError(f"weights are made up for {', '.join(KINDS)}, not {config['architectures']}")
    hidden, inner = config["hidden_size"], config["intermediate_size"]
    heads, kv_heads = config["num_attention_heads"], config["num_key_value_heads"]
    size = config.get("head_dim") or hidden // heads
    yield "model.embed_tokens.weight", (config["vocab_size"], hidden)
    for layer in range(config["num_hidden_layers"]):
        at = f"model.layers.{layer}"
        yield f"{at}.input_layernorm.weight", (hidden,)
        yield f"{at}.post_attention_layernorm.weight", (hidden,)
        yield f"{at}.self_attn.q_proj.weight", (heads * size, hidden)
        yield f"{at}.self_attn.k_proj.weight", (kv_heads * size, hidden)
        yield f"{at}.self_attn.v_proj.weight", (kv_heads * size, hidden)
        yield f"{at}.self_attn.o_proj.weight", (hidden, heads * size)
        if config["architectures"][0] == "Qwen3ForCausalLM":
            yield f"{at}.self_attn.q_norm.weight", (size,)
            yield f"{at}.self_attn.k_norm.weight", (size,)
        yield f"{at}.mlp.gate_proj.weight", (inner, hidden)
        yield f"{at}.mlp.up_proj.weight", (inner, hidden)
        yield f"{at}.mlp.down_proj.weight", (hidden, inner)
    yield "model.norm.weight", (hidden,)
    if not config.get("tie_word_embeddings"):
        yield "lm_head.weight", (config["vocab_size"], hidden)


def bytes_of(tensor: Tensor) -> int:
    """The size of one, in bfloat16."""
    size = NUMBER_BYTES
    for count in tensor[1]:
        size *= count
    return size


def shards(wanted: Sequence[Tensor], most_bytes: int = SHARD_BYTES) -> list[list[Tensor]]:
    """Which tensors lie in a file together."""
    found: list[list[Tensor]] = [[]]
    for tensor in wanted:
        if found[-1] and sum(map(bytes_of, found[-1])) + bytes_of(tensor) > most_bytes:
            found.append([])
        found[-1].append(tensor)
    return found


def make(name: str, folder: Path) -> None:
    """Write the model's folder with weights, replacing it. LabError for no such model."""
    wanted = list(tensors(dummy_model.config_of(name)))
    dummy_model.make(name, folder)
    (folder / "model.safetensors").unlink()
    files, block, index = shards(wanted), _block(), {}
    for number, its in enumerate(files, start=1):
        file = f"model-{number:05}-of-{len(files):05}.safetensors"
        index |= {tensor[0]: file for tensor in its}
        _write(folder / file, its, block)
    total = {"metadata": {"total_size": sum(map(bytes_of, wanted))}, "weight_map": index}
    (folder / "model.safetensors.index.json").write_text(json.dumps(total) + "\n")


def _block() -> bytes:
    """Numbers that are written again and again: no file system here finds equal blocks."""
    block = bytearray(os.urandom(BLOCK_BYTES))
    signs = bytes(EXPONENTS[byte & 1] for byte in range(256))
    block[1::2] = block[1::2].translate(signs)
    return bytes(block)


def _write(file: Path, its: Sequence[Tensor], block: bytes) -> None:
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    start = 0
    for tensor in its:
        offsets = [start, start := start + bytes_of(tensor)]
        header[tensor[0]] = {"dtype": "BF16", "shape": tensor[1], "data_offsets": offsets}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with file.open("wb") as out:
        out.write(pack("<Q", len(text)) + text)
        for _ in range(start // BLOCK_BYTES):
            out.write(block)
        out.write(block[: start % BLOCK_BYTES])
        out.flush()
        os.fsync(out.fileno())


def main() -> None:
    """Make the folder that the command line names."""
    name, folder = sys.argv[1:]
    with exits():
        make(name, Path(folder))


if __name__ == "__main__":
    main()

"""The tiny model as one GGUF file, for engines that serve those: the same weights, another shell.

Format: ggml's docs/gguf.md, version 3. Matrices stay bf16; norms are float32, as llama.cpp wants.
"""

from __future__ import annotations

import json
import tempfile
from array import array
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from struct import pack
from typing import Any

ALIGNMENT = 32
_F32, _BF16 = 0, 30  # ggml_type
_UINT32, _FLOAT32, _BOOL, _STRING, _ARRAY = 4, 6, 7, 8, 9  # gguf_metadata_value_type
_INT32 = 5
_NORMAL, _CONTROL = 1, 3  # llama_token_type
_NAMES = {
    "model.embed_tokens": "token_embd",
    "model.norm": "output_norm",
    "lm_head": "output",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
Tensors = Mapping[str, tuple[Sequence[int], int, bytes]]
"""Name to shape (rows first), ggml type and data."""


def make(model: Path, target: Path) -> None:
    """Write the folder ``model`` (of ``tiny_model``) as the file ``target``, whole or not."""
    config = json.loads((model / "config.json").read_text())
    template = json.loads((model / "tokenizer_config.json").read_text())["chat_template"]
    tokens = _tokens(json.loads((model / "tokenizer.json").read_text()), config["vocab_size"])
    content = gguf(_metadata(config, tokens, template), dict(_tensors(model / "model.safetensors")))
    with tempfile.NamedTemporaryFile(dir=target.parent, prefix=".tiny-", delete=False) as out:
        out.write(content)
    Path(out.name).chmod(0o644)
    Path(out.name).replace(target)


def _tokens(tokenizer: dict[str, Any], count: int) -> list[str]:
    by_number = {number: token for token, number in tokenizer["model"]["vocab"].items()}
    return [by_number[number] for number in range(count)]


def _metadata(config: dict[str, Any], tokens: list[str], template: str) -> dict[str, Any]:
    kinds = [_CONTROL if token.startswith("<|") else _NORMAL for token in tokens]
    return {
        "general.architecture": "llama",
        "general.name": "tiny-llama",
        "llama.context_length": config["max_position_embeddings"],
        "llama.embedding_length": config["hidden_size"],
        "llama.block_count": config["num_hidden_layers"],
        "llama.feed_forward_length": config["intermediate_size"],
        "llama.attention.head_count": config["num_attention_heads"],
        "llama.attention.head_count_kv": config["num_key_value_heads"],
        "llama.attention.layer_norm_rms_epsilon": config["rms_norm_eps"],
        "llama.rope.dimension_count": config["head_dim"],
        "llama.rope.freq_base": config["rope_theta"],
        "llama.vocab_size": config["vocab_size"],
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "llama-bpe",  # the one that takes whole words without merges
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": kinds,
        "tokenizer.ggml.merges": [],
        "tokenizer.ggml.bos_token_id": config["bos_token_id"],
        "tokenizer.ggml.eos_token_id": config["eos_token_id"],
        "tokenizer.ggml.padding_token_id": config["pad_token_id"],
        "tokenizer.ggml.add_bos_token": False,
        "tokenizer.chat_template": template,
    }


def _tensors(path: Path) -> Iterator[tuple[str, tuple[list[int], int, bytes]]]:
    """The tensors of a safetensors file in bf16, by their names in GGUF."""
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    data = memoryview(content)[8 + length :]
    for name, about in header.items():
        if name != "__metadata__":
            start, end = about["data_offsets"]
            yield _renamed(name), _as_ggml(about["shape"], bytes(data[start:end]))


def _renamed(name: str) -> str:
    stem = name.removesuffix(".weight")
    if stem.startswith("model.layers."):
        layer, _, rest = stem.removeprefix("model.layers.").partition(".")
        return f"blk.{layer}.{_NAMES[rest]}.weight"
    return f"{_NAMES[stem]}.weight"


def _as_ggml(shape: list[int], data: bytes) -> tuple[list[int], int, bytes]:
    if len(shape) > 1:
        return shape, _BF16, data
    wide = bytearray(2 * len(data))
    wide[2::4], wide[3::4] = data[0::2], data[1::2]
    return shape, _F32, bytes(wide)


def gguf(metadata: Mapping[str, Any], tensors: Tensors) -> bytes:
    """A GGUF file: header, metadata, tensor infos, then their data, each aligned."""
    head = bytearray(b"GGUF" + pack("<IQQ", 3, len(tensors), len(metadata)))
    for key, value in metadata.items():
        head += _string(key) + _value(value)
    body = bytearray()
    for name, (shape, kind, data) in tensors.items():
        dimensions = [*reversed(shape)]  # ggml counts the fastest first
        head += _string(name) + pack(f"<I{len(dimensions)}Q", len(dimensions), *dimensions)
        head += pack("<IQ", kind, len(body))
        body += data + b"\0" * (-len(data) % ALIGNMENT)
    return bytes(head + b"\0" * (-len(head) % ALIGNMENT) + body)


def _string(text: str) -> bytes:
    data = text.encode()
    return pack("<Q", len(data)) + data


def _value(value: Any) -> bytes:
    if isinstance(value, bool):
        return pack("<I?", _BOOL, value)
    if isinstance(value, int):
        return pack("<II", _UINT32, value)
    if isinstance(value, float):
        return pack("<If", _FLOAT32, value)
    if isinstance(value, str):
        return pack("<I", _STRING) + _string(value)
    if value and isinstance(value[0], int):
        return pack("<IIQ", _ARRAY, _INT32, len(value)) + array("i", value).tobytes()
    return pack("<IIQ", _ARRAY, _STRING, len(value)) + b"".join(map(_string, value))

"""Makes a tiny Llama that vLLM serves in the lab: real format, real engine, no download.

The layers are random; embedding and head are built so that the model has one thing to say,
``ANSWER``, and says it whenever it is spoken to: a person who tries the lab reads words, and a test
knows the right answer. (It proves the vocabulary whole; the layers hardly sway it.)
"""

from __future__ import annotations

import json
import random
import tempfile
from array import array
from collections.abc import Iterable, Iterator
from itertools import chain, pairwise
from pathlib import Path
from struct import pack
from typing import Any

ANSWER = (
    "Hello from the lab! I am a tiny model with made-up weights, served by real engines behind "
    "your gateway. My words mean little; that they reach you proves every link between us works."
)
"""What the model replies when it decodes greedily (temperature 0) and is let finish: 34 tokens."""

HIDDEN, LAYERS, HEADS, KV_HEADS, INTERMEDIATE = 256, 2, 4, 2, 688
HEAD_SIZE = HIDDEN // HEADS
VOCABULARY = 512
CONTEXT = 2048
SPECIAL = ("<|pad|>", "<|begin|>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>", "<|tool|>")
PAD, BEGIN, END = (256 + index for index in range(3))
FIRST_WORD = 256 + len(SPECIAL)
CUE = 64
"""The first hidden dimensions, equal in all tokens that are no words: the cue to begin."""
LOGIT = 16.0
"""How far the next word's logit stands above the others'."""
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|' + message['role'] + '|>' + message['content'] + '<|end|>' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)


def make(directory: Path, seed: int = 0) -> None:
    """Write the model to ``directory``, replacing what is there, whole or not at all.

    The same ``seed`` gives the same bytes. About 4 MB; takes less than a second.
    """
    directory.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=directory.parent, prefix=".tiny-") as scratch:
        fresh = Path(scratch) / "fresh"
        fresh.mkdir(mode=0o755)
        for name, content in _files(seed):
            (fresh / name).write_bytes(content)
        if directory.exists():
            directory.rename(Path(scratch) / "old")
        fresh.rename(directory)


def _files(seed: int) -> Iterator[tuple[str, bytes]]:
    texts = {
        "config.json": _config(),
        "generation_config.json": _ids(),
        "tokenizer.json": _tokenizer(),
        "tokenizer_config.json": _tokenizer_config(),
        "special_tokens_map.json": _names(),
    }
    for name, value in texts.items():
        yield name, (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()
    yield "model.safetensors", safetensors(dict(_tensors(random.Random(seed))))


def _ids() -> dict[str, Any]:
    return {"bos_token_id": BEGIN, "eos_token_id": END, "pad_token_id": PAD}


def _names() -> dict[str, str]:
    return {"bos_token": "<|begin|>", "eos_token": "<|end|>", "pad_token": "<|pad|>"}


def _config() -> dict[str, Any]:
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_act": "silu",
        "hidden_size": HIDDEN,
        "intermediate_size": INTERMEDIATE,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "num_key_value_heads": KV_HEADS,
        "head_dim": HEAD_SIZE,
        "vocab_size": VOCABULARY,
        "max_position_embeddings": CONTEXT,
        "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0,
        "attention_bias": False,
        "mlp_bias": False,
        "tie_word_embeddings": False,
        "torch_dtype": "bfloat16",
        **_ids(),
    }


def _tokenizer_config() -> dict[str, Any]:
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": CONTEXT,
        "clean_up_tokenization_spaces": False,
        "chat_template": CHAT_TEMPLATE,
        **_names(),
    }


def byte_letters() -> list[str]:
    """GPT-2's visible letter for each byte: itself where printable, else one from U+0100 on."""
    shown = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    spare = iter(range(0x100, 0x200))
    return [chr(byte if byte in shown else next(spare)) for byte in range(256)]


def _words() -> list[str]:
    first, *rest = ANSWER.split(" ")
    return [first, *(f"{byte_letters()[0x20]}{word}" for word in rest)]


def _tokenizer() -> dict[str, Any]:
    reserved = VOCABULARY - FIRST_WORD - len(_words())
    return tokenizer([*_words(), *(f"<|reserved_{n}|>" for n in range(reserved))])


def tokenizer(words: list[str]) -> dict[str, Any]:
    """A ``tokenizer.json``: the bytes, ``SPECIAL``, then ``words`` (those in ``<|`` are special).

    Byte-level BPE without merges: a known word is one token, anything else is its bytes.
    """
    tokens = [*byte_letters(), *SPECIAL, *words]
    level = {
        "type": "ByteLevel",
        "add_prefix_space": False,
        "trim_offsets": True,
        "use_regex": True,
    }
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [_added(n, t) for n, t in enumerate(tokens) if t.startswith("<|")],
        "normalizer": None,
        "pre_tokenizer": level,
        "post_processor": level,
        "decoder": level,
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": True,
            "vocab": {token: number for number, token in enumerate(tokens)},
            "merges": [],
        },
    }


def _added(number: int, token: str) -> dict[str, Any]:
    plain = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    return {"id": number, "content": token, **plain, "special": True}


def _tensors(chance: random.Random) -> Iterator[tuple[str, tuple[list[int], bytes]]]:
    """Each tensor's name, shape and bf16 data."""
    signs = _embedding(chance)
    yield "model.embed_tokens.weight", ([VOCABULARY, HIDDEN], _bf16(chain.from_iterable(signs)))
    yield "lm_head.weight", ([VOCABULARY, HIDDEN], _bf16(chain.from_iterable(_head(signs))))
    yield "model.norm.weight", ([HIDDEN], _bf16([1.0] * HIDDEN))
    keys = KV_HEADS * HEAD_SIZE
    for layer in range(LAYERS):
        at = f"model.layers.{layer}."
        for norm in ("input_layernorm", "post_attention_layernorm"):
            yield f"{at}{norm}.weight", ([HIDDEN], _bf16([1.0] * HIDDEN))
        for name, shape in {
            "self_attn.q_proj": [HIDDEN, HIDDEN],
            "self_attn.k_proj": [keys, HIDDEN],
            "self_attn.v_proj": [keys, HIDDEN],
            "self_attn.o_proj": [HIDDEN, HIDDEN],
            "mlp.gate_proj": [INTERMEDIATE, HIDDEN],
            "mlp.up_proj": [INTERMEDIATE, HIDDEN],
            "mlp.down_proj": [HIDDEN, INTERMEDIATE],
        }.items():
            yield f"{at}{name}.weight", (shape, _noise(chance, shape[0] * shape[1]))


def _noise(chance: random.Random, count: int) -> bytes:
    """``count`` bf16 numbers of either sign, 0.008 to 0.031 in size: straight from random bits."""
    data = bytearray(2 * count)
    data[0::2] = chance.randbytes(count)  # exponent's last bit and mantissa
    data[1::2] = chance.randbytes(count).translate(bytes([0x3C, 0xBC] * 128))  # sign and exponent
    return bytes(data)


def _embedding(chance: random.Random) -> list[list[float]]:
    """A vector of 1 and -1 for each token, nearly orthogonal; CUE is shared by all but words."""
    rows = [chance.choices((1.0, -1.0), k=HIDDEN) for _ in range(VOCABULARY)]
    words = range(FIRST_WORD, FIRST_WORD + len(_words()))
    return [row if n in words else [*rows[0][:CUE], *row[CUE:]] for n, row in enumerate(rows)]


def _head(signs: list[list[float]]) -> list[list[float]]:
    """Rows that look for the word before theirs in the hidden state; zero for all other tokens."""
    rows = [[0.0] * HIDDEN for _ in range(VOCABULARY)]
    order = [*range(FIRST_WORD, FIRST_WORD + len(_words())), END]
    for before, after in pairwise(order):
        rows[after] = [sign * LOGIT / HIDDEN for sign in signs[before]]
    rows[FIRST_WORD][:CUE] = [sign * LOGIT / CUE for sign in signs[END][:CUE]]
    return rows


def _bf16(values: Iterable[float]) -> bytes:
    """The upper halves of the float32 numbers; exact for the powers of two used here."""
    data = array("f", values).tobytes()
    halves = bytearray(len(data) // 2)
    halves[0::2], halves[1::2] = data[2::4], data[3::4]
    return bytes(halves)


def safetensors(tensors: dict[str, tuple[list[int], bytes]]) -> bytes:
    """A safetensors file: header length (u64, little-endian), header in JSON, then the data."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    start = 0
    for name, (shape, data) in tensors.items():
        offsets = [start, start := start + len(data)]
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": offsets}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return b"".join([pack("<Q", len(text)), text, *(data for _, data in tensors.values())])

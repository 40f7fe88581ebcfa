"""What llama.cpp keeps of a request in each layer, from the metadata of a GGUF file.

Source: src/llama-hparams.cpp, src/llama-kv-cache.cpp, and the loaders of architectures in
src/models. Where it is not known whether a layer looks through a window, it is taken to look at
everything: a cache may be planned too large, never too small.
"""

from __future__ import annotations

from rackwright.models.gguf_keys import Keys
from rackwright.models.shape import KvCache

WINDOWS = {
    "afmoe": 4,
    "cohere2": 4,
    "exaone4": 4,
    "gemma2": 2,
    "gemma3": 6,
    "gemma3n": 5,
    "gpt-oss": 2,
    "llama4": 4,
    "olmo2": 4,
}
"""Of so many layers the last looks at everything (``set_swa_pattern``), unless the file says."""
CHUNK = 8192
"""Llama 4's chunks, which its files do not name (``LLAMA_SWA_TYPE_CHUNKED``)."""
INTERVALS = ("qwen3next", "qwen35", "qwen35moe")
"""Linear attention but for every ``full_attention_interval``-th layer, 4 as a rule."""
BY_HEADS = ("granitehybrid", "jamba", "lfm2", "lfm2moe", "nemotron_h", "nemotron_h_moe", "plamo2")
"""A layer without KV heads keeps a state (of Nemotron-H only where it has no MLP either)."""
EVERYWHERE = ("falcon-h1", "mamba", "mamba2")
UNJUDGED = {
    "attention.indexer.": "the cache of sparse attention (an indexer) is not judged yet",
    "attention.compress_ratios": "a compressed cache is not judged yet",
    "kda.": "the state of Kimi's linear attention is not judged yet",
    "wkv.": "the state of RWKV is not judged yet",
}


def kept_by_layer(keys: Keys, layers: int) -> list[KvCache]:
    """The cache of each layer. Raises SpecError where an architecture's is not known."""
    known = (*INTERVALS, *BY_HEADS, *EVERYWHERE)
    for start, rule in UNJUDGED.items():
        if keys.has(start):
            keys.fault(start.rstrip("."), rule)
    if keys.has("ssm.") and keys.architecture not in known:
        keys.fault("ssm", f"the states of architecture {keys.architecture} are not judged yet")
    keys.settle()
    heads = keys.each("attention.head_count_kv", layers, keys.first("attention.head_count"))
    windows, states = _windows(keys, layers), _states(keys, heads)
    nothing_from = layers - keys.number("nextn_predict_layers", 0)
    own = nothing_from - keys.number("attention.shared_kv_layers", 0)
    return [
        KvCache(0, 0)
        if number >= own
        else _layer(keys, heads[number], windows[number], states[number])
        for number in range(layers)
    ]


def _layer(keys: Keys, heads: int, window: int | None, state_bytes: int) -> KvCache:
    if state_bytes and keys.architecture != "falcon-h1":
        return KvCache(0, 0, state_bytes=state_bytes)
    end = "_swa" if window and keys.raw("attention.key_length_swa") else ""
    key, value = keys.key_length, keys.value_length
    if end:
        key = keys.number("attention.key_length_swa", key)
        value = keys.number("attention.value_length_swa", value)
    # Latent attention: values are a part of the keys, and not kept once more.
    latent = keys.raw("attention.key_length_mla") and keys.raw("attention.value_length_mla")
    return KvCache(heads, key + (0 if latent else value), window=window, state_bytes=state_bytes)


def _windows(keys: Keys, layers: int) -> list[int | None]:
    """The window of each layer; None where it looks at everything."""
    chunked = CHUNK if keys.architecture == "llama4" else 0
    size = keys.number("attention.sliding_window", chunked)
    said = keys.raw("attention.sliding_window_pattern")
    if not size or size >= 2**30:
        return [None] * layers
    if isinstance(said, list):
        own = keys.each("attention.sliding_window_pattern", layers, 0)
        return [size if inside else None for inside in own]
    period = WINDOWS.get(keys.architecture)
    if period is None:
        return [None] * layers
    period = keys.number("attention.sliding_window_pattern", period)
    return [size if not period or i % period < period - 1 else None for i in range(layers)]


def _states(keys: Keys, heads: list[int]) -> list[int]:
    """Bytes of the recurrent state of each layer: float32, one a request."""
    if not (keys.has("ssm.") or keys.has("shortconv.")):
        return [0] * len(heads)
    size = 4 * (_convolved(keys) + _remembered(keys))
    interval = keys.number("full_attention_interval", 4) or 1
    widths = keys.each("feed_forward_length", len(heads), 0)
    mlp_apart = keys.architecture.startswith("nemotron_h")
    said = keys.raw("attention.recurrent_layers")
    if isinstance(said, list):
        recurrent = keys.each("attention.recurrent_layers", len(heads), 0)
        return [size if own else 0 for own in recurrent]
    if keys.architecture in INTERVALS:
        return [0 if (i + 1) % interval == 0 else size for i in range(len(heads))]
    if keys.architecture in EVERYWHERE:
        return [size] * len(heads)
    return [
        0 if count or (mlp_apart and width) else size
        for count, width in zip(heads, widths, strict=True)
    ]


def _convolved(keys: Keys) -> int:
    """``n_embd_r``: what convolutions see again."""
    if shortened := keys.number("shortconv.l_cache", 0):
        return keys.number("embedding_length", 0) * (shortened - 1)
    inner, state = keys.number("ssm.inner_size", 0), keys.number("ssm.state_size", 0)
    before = max(0, keys.number("ssm.conv_kernel", 0) - 1)
    return before * (inner + 2 * keys.number("ssm.group_count", 0) * state)


def _remembered(keys: Keys) -> int:
    """``n_embd_s``: the state itself."""
    return keys.number("ssm.inner_size", 0) * keys.number("ssm.state_size", 0)

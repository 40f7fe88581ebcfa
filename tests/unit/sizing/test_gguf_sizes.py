"""GGUF files over GPUs: against what llama.cpp b10434 reported of itself on a CPU (MiB)."""

from __future__ import annotations

import pytest

from rackwright.models import Shape
from rackwright.sizing import GIB, Limits, Split
from rackwright.sizing.dealing import dealt_layers
from rackwright.sizing.gguf import (
    MARGIN_BYTES,
    compute_bytes,
    gguf_memory,
    kv_bytes,
    unjudged,
)
from rackwright.sizing.working import CONTEXT_BYTES
from tests.samples.fleet import shape

MIB = 1024**2


def limits(context: int, slots: int = 4, dtype: str = "auto", share: float = 0.9) -> Limits:
    return Limits(share, slots, 512, context, dtype)


def llama(hidden: int, width: int, heads: int, kv_heads: int, vocab: int = 128256) -> Shape:
    return shape(
        {
            "architectures": ["LlamaForCausalLM"],
            "hidden_size": hidden,
            "intermediate_size": width,
            "num_hidden_layers": 2,
            "num_attention_heads": heads,
            "num_key_value_heads": kv_heads,
            "head_dim": 128,
            "vocab_size": vocab,
            "max_position_embeddings": 131072,
        }
    )


def mixture(hidden: int, width: int, heads: int, experts: int, active: int) -> Shape:
    return shape(
        {
            "architectures": ["Qwen3MoeForCausalLM"],
            "hidden_size": hidden,
            "intermediate_size": width,
            "moe_intermediate_size": width,
            "num_experts": experts,
            "num_experts_per_tok": active,
            "num_hidden_layers": 2,
            "num_attention_heads": heads,
            "num_key_value_heads": 4,
            "head_dim": 128,
            "vocab_size": 32000,
            "max_position_embeddings": 131072,
            "decoder_sparse_step": 1,
            "norm_topk_prob": True,
        }
    )


MEASURED = [  # model, context of a slot, slots, type; KV cache and compute buffer
    (llama(4096, 14336, 32, 8), 8192, 4, "f16", 256, 124.01),
    (llama(4096, 14336, 32, 8), 32768, 4, "f16", 1024, 148.01),
    (llama(5120, 25600, 64, 8, 151936), 8192, 4, "f16", 256, 204.01),
    (llama(5120, 25600, 64, 8, 151936), 32768, 4, "f16", 1024, 228.01),
    (llama(8192, 28672, 64, 8), 8192, 4, "f16", 256, 240.01),
    (mixture(2048, 768, 32, 64, 8), 8192, 4, "f16", 128, 96.01),
    (mixture(4096, 1536, 64, 16, 8), 8192, 4, "f16", 128, 184.01),
]


@pytest.mark.parametrize(("model", "context", "slots", "dtype", "kv", "compute"), MEASURED)
def test_kv_cache_and_buffers_are_what_the_engine_reports(
    model: Shape, context: int, slots: int, dtype: str, kv: float, compute: float
) -> None:
    asked = limits(context, slots, dtype)
    planned = slots * sum(kv_bytes(layer.kv, asked) for layer in model.layers)
    assert planned / MIB == pytest.approx(kv, abs=0.01)
    assert compute_bytes(model, 1, asked) / MIB == pytest.approx(compute, abs=0.05)


def test_a_quantized_cache_takes_its_scales_too() -> None:
    model = llama(4096, 14336, 32, 8)  # one slot of 8,192 in q8_0: 34.00 MiB measured
    asked = limits(8192, 1, "q8_0")
    assert sum(kv_bytes(layer.kv, asked) for layer in model.layers) == 34 * MIB


def test_contexts_are_rounded_up_as_the_engine_does() -> None:
    (layer,) = set(llama(4096, 14336, 32, 8).layers)
    assert kv_bytes(layer.kv, limits(1000)) == kv_bytes(layer.kv, limits(1024))


@pytest.mark.parametrize("layers", [2, 16, 61, 80])
@pytest.mark.parametrize("gpus", range(1, 9))
def test_layers_are_dealt_as_llama_cpp_deals_them(layers: int, gpus: int) -> None:
    """upper_bound over equal cumulative shares, the output counting as one layer more."""
    items = layers + 1
    expected: list[list[int]] = [[] for _ in range(gpus)]
    for item in range(items):
        gpu = next(each for each in range(gpus) if item * gpus < (each + 1) * items)
        expected[gpu].append(item)
    found = [list(each) for each in dealt_layers((1,) * gpus, layers)]
    assert found == [[item for item in each if item < layers] for each in expected]


def big(size_gib: float = 40.0) -> Shape:
    return shape("llama-3.3-70b-instruct").of_file(round(size_gib * GIB))


def test_all_of_the_file_but_the_input_table_is_on_the_gpus() -> None:
    for gpus in (1, 2, 4):
        asked = limits(8192, 1)
        memory = gguf_memory(big(), Split(1, gpus), 80 * GIB, asked)
        assert memory.weights_bytes * gpus == pytest.approx(40 * GIB, rel=0.06)
        assert memory.weights_bytes * gpus < 40 * GIB * 1.05


def test_what_fits_leaves_the_margin_that_the_engine_itself_keeps() -> None:
    memory = gguf_memory(big(20), Split(1, 1), 24 * GIB, limits(2048, 1, share=1.0))
    assert memory.sequences == 1
    assert memory.free_bytes >= MARGIN_BYTES
    used = memory.usable_bytes + CONTEXT_BYTES
    assert memory.free_bytes == 24 * GIB - used


def test_slots_that_do_not_fit_are_counted() -> None:
    asked = limits(32768, 64, "q8_0")
    memory = gguf_memory(big(), Split(1, 1), 80 * GIB, asked)
    assert 0 < memory.sequences < 64
    assert memory.kv_cache_bytes > 0


def test_too_small_says_how_much_is_missing() -> None:
    memory = gguf_memory(big(), Split(1, 1), 24 * GIB, limits(8192, 1))
    assert memory.sequences == 0 and memory.kv_cache_bytes < 0
    assert memory.usable_bytes < 24 * GIB


def test_a_window_keeps_itself_and_the_step_in_flight() -> None:
    gemma = shape("gemma-3-27b-it")
    windowed = next(layer.kv for layer in gemma.layers if layer.kv.window)
    assert windowed.window == 1024
    long = limits(32768)
    assert kv_bytes(windowed, long) == windowed.heads * windowed.elements * 2 * (1024 + 512)


@pytest.mark.parametrize(
    ("model", "words"),
    [("deepseek-v3", "latent attention"), ("qwen3.5-27b", "linear attention")],
)
def test_what_is_not_computed_is_refused(model: str, words: str) -> None:
    assert words in unjudged(shape(model))

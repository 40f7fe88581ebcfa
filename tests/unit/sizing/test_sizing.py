"""Bytes a GPU: against what engines measured, and by hand where no engine was asked."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.planner.rows import Row, measured_rows
from rackwright import catalog
from rackwright.models import NAMED, Shape, Tensor, read_shape
from rackwright.models.spec import ModelSpec
from rackwright.sizing import (
    BLOCK_TOKENS,
    GIB,
    GpuMemory,
    Limits,
    Split,
    blocks_per_request,
    gpu_memory,
    kv_bytes_per_token,
    padded_vocab,
    stage_layers,
    tensor_bytes,
    weights_bytes,
)
from tests.samples.configs import LATENT, config, usual

ROWS = measured_rows()
WEIGHED = [row for row in ROWS if "weights_gib" in row.run]
"""What was measured through the API server says its KV cache, and not always its weights."""
CACHED = [row for row in ROWS if "kv_cache_tokens" in row.run]
"""What ended before it had a cache said its weights; an encoder has none."""
H200 = catalog.gpu_types()["h200-sxm-141gb"]
ALONE = Split()
USUAL = Limits(0.90, 256, 2048, 4096)
SPLITS = [Split(), Split(2), Split(4), Split(1, 2), Split(2, 2), Split(1, 4)]


def of_catalog(name: str) -> Shape:
    return ModelSpec(name=name, **catalog.model_entries()[name]).shape


LLAMA_8B, LLAMA_70B = of_catalog("llama-3.1-8b-instruct"), of_catalog("llama-3.3-70b-instruct")
# Tied tables, windows, experts beside a shared one, latent attention, linear attention.
KINDS = {
    name: of_catalog(name)
    for name in (
        "llama-3.1-8b-instruct",
        "llama-3.2-1b-instruct",
        "gemma-3-27b-it",
        "qwen3-30b-a3b",
        "gpt-oss-20b",
        "deepseek-v3",
        "qwen3-next-80b-a3b-instruct",
    )
}


def gib(size_bytes: int) -> float:
    return size_bytes / GIB


def held(shape: Shape, split: Split = ALONE, stage: int = 0) -> int:
    """Weights of one GPU without the table of rotary positions, which every GPU makes itself."""
    return weights_bytes(shape, split, stage) - tensor_bytes(shape, shape.rotary, split)


def total(shape: Shape, split: Split) -> int:
    """The same of all GPUs of a replica."""
    return split.tensor * sum(held(shape, split, stage) for stage in range(split.pipeline))


def tensor(shape: Shape, name: str, layer: int = -1) -> Tensor:
    return next(each for each in shape.layers[layer].tensors if each.name == name)


def memory_of(shape: Shape, split: Split = ALONE, limits: Limits = USUAL) -> GpuMemory:
    return gpu_memory(shape, split, H200.memory_bytes, limits)


def named(row: Row) -> str:
    return f"{row.source} {row.name}"


@pytest.mark.parametrize("row", WEIGHED, ids=named)
def test_weights_are_those_the_engine_measured(row: Row) -> None:
    assert gib(row.memory.weights_bytes) == pytest.approx(row.run["weights_gib"], rel=0.01)


@pytest.mark.parametrize("row", CACHED, ids=named)
def test_as_many_tokens_fit_as_the_engine_measured(row: Row) -> None:
    """With images activations are an estimate, as the plan says. Of a cache that weights left a
    tenth of the GPU the bar is a two hundredth of that.
    """
    bar = 0.05 if row.run.get("images") else 0.03
    room = max(bar, 0.005 * row.gpu.memory_bytes / row.memory.kv_cache_bytes)
    assert row.memory.kv_cache_tokens == pytest.approx(row.run["kv_cache_tokens"], rel=room)


def test_there_are_rows_to_compare_with() -> None:
    assert len(ROWS) >= 19 and len(WEIGHED) >= 16


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("name", KINDS)
def test_the_parts_add_up(name: str, split: Split) -> None:
    memory = memory_of(KINDS[name], split)
    inside = memory.weights_bytes + memory.peak_activation_bytes + memory.overhead_bytes
    inside += memory.graphs_inside_bytes
    assert inside + memory.kv_cache_bytes == memory.usable_bytes
    outside = memory.cuda_graph_bytes - memory.graphs_inside_bytes + memory.context_bytes
    total_bytes = memory.usable_bytes + outside + memory.free_bytes
    assert total_bytes == memory.total_bytes == H200.memory_bytes
    assert 0 <= memory.graphs_inside_bytes <= memory.cuda_graph_bytes
    assert memory.usable_bytes == int(0.90 * H200.memory_bytes)


@pytest.mark.parametrize("name", KINDS)
def test_tokens_are_counted_with_requests_of_the_longest_context(name: str) -> None:
    memory = memory_of(KINDS[name], Split(4))
    assert memory.sequences == memory.kv_cache_tokens // USUAL.max_model_len


@pytest.mark.parametrize("name", KINDS)
def test_eager_engines_have_no_graphs(name: str) -> None:
    eager = memory_of(KINDS[name], Split(8), USUAL._replace(enforce_eager=True))
    captured = memory_of(KINDS[name], Split(8))
    assert eager.cuda_graph_bytes == 0 < captured.cuda_graph_bytes
    assert eager.kv_cache_bytes - captured.kv_cache_bytes == captured.graphs_inside_bytes


@pytest.mark.parametrize(("ranks", "heads"), [(1, 8), (2, 4), (4, 2), (8, 1), (16, 1), (32, 1)])
def test_kv_heads_are_copied_where_there_are_more_ranks(ranks: int, heads: int) -> None:
    assert kv_bytes_per_token(LLAMA_8B, Split(ranks), 0) == 2 * 32 * heads * 128 * 2
    keys = tensor(LLAMA_8B, "self_attn.k_proj")
    assert tensor_bytes(LLAMA_8B, keys, Split(ranks)) == heads * 128 * 4096 * 2


def test_a_pipeline_stage_keeps_its_own_layers() -> None:
    each = [kv_bytes_per_token(LLAMA_8B, Split(1, 3), stage) for stage in range(3)]
    assert each == [2 * layers * 8 * 128 * 2 for layers in (11, 11, 10)]


def test_a_kv_cache_in_8_bits_is_half() -> None:
    assert 2 * kv_bytes_per_token(LLAMA_8B, Split(), 0, "fp8") == kv_bytes_per_token(
        LLAMA_8B, Split(), 0
    )
    fp8 = memory_of(LLAMA_8B, limits=USUAL._replace(kv_cache_dtype="fp8"))
    assert fp8.kv_cache_bytes == memory_of(LLAMA_8B).kv_cache_bytes
    assert fp8.kv_cache_tokens == pytest.approx(2 * memory_of(LLAMA_8B).kv_cache_tokens, rel=1e-4)


def test_the_vocabulary_is_padded_then_divided() -> None:
    shape = read_shape(config(vocab_size=1001))
    assert padded_vocab(shape) == 1024
    assert tensor_bytes(shape, shape.embedding, Split(2)) == 512 * 64 * 2
    assert tensor_bytes(shape, shape.head, Split(4)) == 256 * 64 * 2


def test_tied_embeddings_are_held_once_on_one_gpu_and_on_both_end_stages() -> None:
    model = of_catalog("llama-3.2-1b-instruct")
    table = 128256 * 2048 * 2
    whole = held(model)
    assert whole == 1235814400 * 2
    assert total(model, Split(1, 2)) == whole + table
    first, *_, last = (held(model, Split(1, 4), stage) for stage in range(4))
    assert last == first + 2048 * 2  # the last norm


@pytest.mark.parametrize("stages", [2, 3, 5])
@pytest.mark.parametrize("name", KINDS)
def test_stages_hold_the_whole_model_together(name: str, stages: int) -> None:
    shape = KINDS[name]
    table = tensor_bytes(shape, shape.embedding, Split()) if shape.tied else 0
    assert total(shape, Split(1, stages)) == held(shape) + table


@pytest.mark.parametrize("split", [Split(2), Split(4), Split(8), Split(4, 1, True)])
@pytest.mark.parametrize("name", KINDS)
def test_ranks_together_hold_no_less_than_one_gpu(name: str, split: Split) -> None:
    shape = KINDS[name]
    whole, each = held(shape), held(shape, split)
    assert each < whole <= split.tensor * each


@pytest.mark.parametrize(
    ("layers", "stages", "dealt"),
    [
        (80, 1, [80]),
        (80, 2, [40, 40]),
        (80, 3, [27, 27, 26]),
        (80, 6, [13, 13, 13, 14, 14, 13]),
        (61, 4, [15, 15, 16, 15]),
        (7, 4, [2, 2, 2, 1]),
        (3, 3, [1, 1, 1]),
        (2, 3, [1, 1, 0]),
    ],
)
def test_layers_are_dealt_to_stages_as_the_engine_does(
    layers: int, stages: int, dealt: list[int]
) -> None:
    assert stage_layers(layers, stages) == dealt


def test_the_fullest_stage_limits_the_kv_cache() -> None:
    split = Split(1, 3)
    memory = memory_of(LLAMA_70B, split)
    assert memory.weights_bytes == max(weights_bytes(LLAMA_70B, split, i) for i in range(3))
    left = memory.kv_cache_bytes // (kv_bytes_per_token(LLAMA_70B, split, 0) * BLOCK_TOKENS)
    blocks = blocks_per_request(LLAMA_70B, split, USUAL, USUAL.max_model_len)
    assert memory.sequences == left // blocks


def test_what_does_not_fit_has_no_tokens_and_says_how_much_is_missing() -> None:
    memory = gpu_memory(LLAMA_70B, Split(), H200.memory_bytes // 2, USUAL)
    assert (memory.kv_cache_tokens, memory.sequences) == (0, 0)
    assert memory.kv_cache_bytes < 0
    missing = weights_bytes(LLAMA_70B, Split(), 0) - memory.usable_bytes
    assert -memory.kv_cache_bytes > missing


def test_a_block_is_16_tokens_of_every_layer() -> None:
    assert blocks_per_request(LLAMA_8B, Split(), USUAL, 4096) == 256
    assert blocks_per_request(LLAMA_8B, Split(), USUAL, 4097) == 257
    assert blocks_per_request(LLAMA_8B, Split(), USUAL, 1) == 1
    memory = memory_of(LLAMA_8B)
    assert memory.kv_cache_tokens == memory.kv_cache_bytes // (2 * 32 * 8 * 128 * 2 * 16) * 16


# Two full layers and ten with a window of 32 tokens: six groups of two layers.
GEMMA = read_shape(config("Gemma3ForCausalLM", num_hidden_layers=12, sliding_window=32))
# Every second layer has the window: two groups of six layers.
GPT_OSS = read_shape({**usual("GptOssForCausalLM"), "num_hidden_layers": 12})
# Four full layers and five with a window: so close that both are padded to five.
UNEVEN = read_shape(
    config(
        "Qwen3ForCausalLM",
        num_hidden_layers=9,
        sliding_window=32,
        layer_types=["full_attention"] * 4 + ["sliding_attention"] * 5,
    )
)
# Three full layers and seven with a window: groups of three, the last of them padded.
PADDED = read_shape(
    config(
        "Qwen3ForCausalLM",
        num_hidden_layers=10,
        sliding_window=32,
        layer_types=["full_attention"] * 3 + ["sliding_attention"] * 7,
    )
)
SMALL_STEP = Limits(0.90, 8, 64, 4096)
# A window of 32 holds 31 tokens back and two steps of 64: 159 tokens, 10 blocks, and one more
# because it need not begin where a block does.
IN_WINDOW = 10 + 1


@pytest.mark.parametrize(
    ("shape", "layers", "full", "windowed"),
    [(GEMMA, 2, 1, 5), (GPT_OSS, 6, 1, 1), (UNEVEN, 5, 1, 1), (PADDED, 3, 1, 3)],
    ids=["5 to 1", "1 to 1", "uneven", "padded"],
)
def test_layers_with_a_window_are_grouped_apart(
    shape: Shape, layers: int, full: int, windowed: int
) -> None:
    needed = full * 256 + windowed * IN_WINDOW
    assert blocks_per_request(shape, Split(), SMALL_STEP, 4096) == needed
    memory = memory_of(shape, limits=SMALL_STEP)
    block = layers * 2 * 2 * 24 * 2 * BLOCK_TOKENS
    requests = memory.kv_cache_bytes // block / needed
    assert memory.sequences == int(requests)
    assert memory.kv_cache_tokens == int(requests * 4096)


def test_short_requests_do_not_fill_a_window() -> None:
    assert blocks_per_request(GEMMA, Split(), SMALL_STEP, 48) == 3 + 5 * (3 + 1)


def test_more_in_flight_needs_more_of_a_windowed_layer_and_never_more_than_all() -> None:
    needed = [
        blocks_per_request(GPT_OSS, Split(), SMALL_STEP._replace(max_num_batched_tokens=step), 4096)
        for step in (16, 64, 256, 1024, 65536)
    ]
    assert needed == sorted(needed)
    assert needed[-1] == 256 + 256 + 1


def test_stages_share_the_groups_of_the_whole_model() -> None:
    """Both stages hold a full layer and five others: half of every group, in half the bytes."""
    one, two = (memory_of(GEMMA, Split(1, stages), SMALL_STEP) for stages in (1, 2))
    assert two.kv_cache_bytes > one.kv_cache_bytes
    block = 1 * 2 * 2 * 24 * 2 * BLOCK_TOKENS
    needed = blocks_per_request(GEMMA, Split(1, 2), SMALL_STEP, 4096)
    assert two.sequences == int(two.kv_cache_bytes // block / needed)


def test_a_window_keeps_more_sequences_than_none() -> None:
    full = read_shape(config("Gemma3ForCausalLM", num_hidden_layers=12))
    some, many = (memory_of(shape, limits=SMALL_STEP).sequences for shape in (full, GEMMA))
    expected = 12 * 256 / (2 * (256 + 5 * IN_WINDOW))
    assert many / some == pytest.approx(expected, rel=1e-3)


LATENT_SHAPE = read_shape(usual("DeepseekV3ForCausalLM"))


@pytest.mark.parametrize("ranks", [1, 2, 4])
def test_a_latent_cache_is_whole_on_every_rank(ranks: int) -> None:
    kept = LATENT["kv_lora_rank"] + LATENT["qk_rope_head_dim"]
    assert kv_bytes_per_token(LATENT_SHAPE, Split(ranks), 0) == 4 * kept * 2
    assert kv_bytes_per_token(of_catalog("deepseek-v3"), Split(8), 0) == 61 * 576 * 2


LINEAR = read_shape(usual("Qwen3NextForCausalLM"))


def test_a_block_of_a_hybrid_weighs_what_linear_attention_keeps() -> None:
    """2176 bytes of state; 192 a token of the layer that sees everything: 12 tokens, so 16."""
    assert LINEAR.layers[0].kv.state_bytes == 2176
    # one block a group for the state; three groups of one layer beside the full one
    assert blocks_per_request(LINEAR, Split(), SMALL_STEP, 4096) == 4096 // 16 + 3
    wide = read_shape({**usual("Qwen3NextForCausalLM"), "linear_key_head_dim": 100})
    state = 6 * 100 * 14 * 2 + (2 * 200 + 84) * 2 * 2
    tokens = -(-state // (16 * 192)) * 16
    assert blocks_per_request(wide, Split(), SMALL_STEP, 4096) == -(-4096 // tokens) + 3


@pytest.mark.parametrize("ranks", [2, 4, 8])
@pytest.mark.parametrize("name", ["qwen3-30b-a3b", "deepseek-v3"])
def test_experts_divided_or_dealt_whole_weigh_the_same(name: str, ranks: int) -> None:
    shape = of_catalog(name).with_quantization(None)
    for part in ("gate_proj", "up_proj", "down_proj"):
        experts = tensor(shape, f"mlp.experts.{part}")
        divided = tensor_bytes(shape, experts, Split(ranks))
        assert divided == tensor_bytes(shape, experts, Split(ranks, 1, True))
        assert divided * ranks == experts.elements * 2


@pytest.mark.parametrize(
    ("split", "width", "count"),
    [(Split(), 2944, 32), (Split(2), 1536, 32), (Split(2, 1, True), 2944, 16)],
)
def test_experts_of_gpt_oss_are_padded_for_the_kernels(
    split: Split, width: int, count: int
) -> None:
    """2880 to the next multiple of 128 on each rank."""
    shape = of_catalog("gpt-oss-20b")
    experts, held = tensor(shape, "mlp.experts.up_proj"), shape.quantization
    assert held
    each = width * 2880 // 2 + width * 2880 // 32
    assert tensor_bytes(shape, experts, split, held.usual) == count * each


def test_experts_that_do_not_divide_are_dealt_rounded_up() -> None:
    shape = read_shape(usual("MixtralForCausalLM"))
    experts = tensor(shape, "mlp.experts.up_proj")
    assert tensor_bytes(shape, experts, Split(4, 1, True)) == 2 * 40 * 64 * 2  # 6 over 4 ranks


@pytest.mark.parametrize("split", [Split(4), Split(4, 1, True), Split(2, 2)])
@pytest.mark.parametrize(
    "name",
    [
        "norms",
        "self_attn.q_a_proj",
        "self_attn.q_a_layernorm",
        "self_attn.kv_a_proj_with_mqa",
        "self_attn.kv_a_layernorm",
        "mlp.gate",
        "mlp.gate.e_score_correction_bias",
    ],
)
def test_every_rank_holds_these_whole(name: str, split: Split) -> None:
    replicated = tensor(LATENT_SHAPE, name)
    size = 4 if replicated.dtype == "float32" else 2
    assert tensor_bytes(LATENT_SHAPE, replicated, split) == replicated.elements * size


@pytest.mark.parametrize(
    "name",
    [
        "self_attn.q_b_proj",
        "self_attn.kv_b_proj",
        "self_attn.kv_b_proj.values",
        "self_attn.o_proj",
        "mlp.experts.down_proj",
        "mlp.shared_experts.up_proj",
    ],
)
def test_ranks_divide_these(name: str) -> None:
    sharded = tensor(LATENT_SHAPE, name)
    assert tensor_bytes(LATENT_SHAPE, sharded, Split(4)) * 4 == sharded.elements * 2


def quantized(**entry: Any) -> Shape:
    sizes = {"hidden_size": 512, "head_dim": 128, "intermediate_size": 1024}
    return read_shape(config(**sizes, quantization_config=entry))


LINEAR_ELEMENTS = 4 * (2 * 512 * 512 + 2 * 256 * 512 + 3 * 1024 * 512)
OTHER_BYTES = 2 * (2 * 128 * 512 + (2 * 4 + 1) * 512)  # tables padded from 100 to 128, and norms


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"quant_method": "fp8"}, LINEAR_ELEMENTS + 4 * 7 * 4),  # a scale a matrix
        (
            {"quant_method": "fp8", "weight_block_size": [128, 128]},
            LINEAR_ELEMENTS + LINEAR_ELEMENTS // 128**2 * 4,
        ),
        (
            {"quant_method": "awq", "bits": 4, "group_size": 128},
            LINEAR_ELEMENTS // 2 + LINEAR_ELEMENTS // 128 * 9 // 2,
        ),
        (
            {"quant_method": "gptq", "bits": 8, "group_size": 64},
            LINEAR_ELEMENTS + LINEAR_ELEMENTS // 64 * 2,
        ),
        ({"quant_method": "mxfp4"}, 2 * LINEAR_ELEMENTS),  # no experts
    ],
    ids=["fp8", "fp8 by block", "awq", "gptq", "mxfp4"],
)
def test_quantized_layers_weigh_their_bits_and_scales(entry: Any, expected: int) -> None:
    shape = quantized(**entry)
    assert held(shape) == OTHER_BYTES + expected
    norms = 2 * (2 * 4 + 1) * 512
    whole = sum(scheme.tensor_bytes for layer in shape.schemes for scheme in layer if scheme)
    assert total(shape, Split(2)) == held(shape) + norms + whole


def test_online_fp8_halves_linear_layers_only() -> None:
    shape = of_catalog("qwen3-32b")
    before, after = held(shape), held(shape.with_quantization(NAMED["fp8"]))
    tables = 2 * padded_vocab(shape) * shape.hidden_size * 2
    assert after == pytest.approx((before - tables) / 2 + tables, rel=1e-3)


@pytest.mark.parametrize("name", KINDS)
def test_a_longer_context_never_has_room_for_more(name: str) -> None:
    lengths = (512, 1024, 4096, 8192, 20_000, 100_000)
    fits = [
        memory_of(KINDS[name], Split(8), USUAL._replace(max_model_len=length)).sequences
        for length in lengths
    ]
    assert fits == sorted(fits, reverse=True)


@pytest.mark.parametrize("name", KINDS)
def test_a_larger_share_of_the_gpu_is_all_kv_cache(name: str) -> None:
    less, more = (
        memory_of(KINDS[name], Split(8), USUAL._replace(gpu_memory_utilization=share))
        for share in (0.85, 0.95)
    )
    gained = more.kv_cache_bytes - less.kv_cache_bytes
    assert gained == more.usable_bytes - less.usable_bytes > 0
    assert more.kv_cache_tokens > less.kv_cache_tokens

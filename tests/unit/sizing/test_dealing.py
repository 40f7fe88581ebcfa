"""Layers over unequal GPUs: dealt as llama.cpp does, and as well as they can be."""

from __future__ import annotations

from ctypes import c_float
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import pytest

from rackwright.models.gguf_header import read_header
from rackwright.models.gguf_shape import gguf_shape
from rackwright.models.shape import FileBytes, Shape
from rackwright.sizing import GIB, Limits
from rackwright.sizing.dealing import dealt_layers, fitted_shares, fullest
from rackwright.sizing.gguf import gguf_dealt, gguf_gpus
from tests.samples import gguf_files
from tests.samples.fleet import shape

LIMITS = Limits(0.9, 1, 512, 8192)


def as_llama_cpp_deals(shares: list[int], layers: int) -> list[int]:
    """How many of layers and head each gets, step by step in 32-bit floats."""
    total, ends = 0.0, []
    for share in shares:
        total = c_float(total + share).value
        ends.append(total)
    ends = [c_float(end / total).value for end in ends]
    counts = [0] * len(shares)
    for item in range(layers + 1):
        place = c_float(item / (layers + 1)).value
        counts[next(gpu for gpu, end in enumerate(ends) if end > place)] += 1
    return counts


@pytest.mark.parametrize("layers", [1, 2, 27, 32, 48, 61, 80, 94, 126])
def test_whole_layers_are_dealt_as_they_are_told(layers: int) -> None:
    for first in range(1, layers + 1):
        shares = [first, layers + 1 - first]
        assert as_llama_cpp_deals(shares, layers) == shares
        dealt = dealt_layers(shares, layers)
        assert [len(own) for own in dealt] == [first, layers - first]
        assert [i for own in dealt for i in own] == [*range(layers)]


@pytest.mark.parametrize("shares", [(3, 1), (1, 1, 1), (5, 2, 7), (24, 12, 12, 24), (1, 0, 1)])
@pytest.mark.parametrize("layers", [5, 28, 61, 80])
def test_proportions_are_dealt_as_llama_cpp_deals_them(
    shares: tuple[int, ...], layers: int
) -> None:
    counts = as_llama_cpp_deals([*shares], layers)
    found = [len(own) for own in dealt_layers(shares, layers)]
    counts[max(gpu for gpu, count in enumerate(counts) if count)] -= 1  # the head
    assert found == counts


@pytest.mark.parametrize("rooms", [(24, 12), (12, 24), (24, 12, 8), (10, 10, 10, 48), (5, 5)])
@pytest.mark.parametrize("costs", [[3] * 12 + [2], [1, 1, 1, 6, 6, 6, 6, 2], [5, 1, 4, 1, 3, 9]])
def test_no_other_dealing_leaves_the_fullest_gpu_more_room(
    costs: list[int], rooms: tuple[int, ...]
) -> None:
    def worst(counts: tuple[int, ...]) -> float:
        start, found = 0, 0.0
        for count, room in zip(counts, rooms, strict=True):
            found = max(found, sum(costs[start : start + count]) / room)
            start += count
        return found

    items = len(costs)
    cuts = combinations(range(1, items), len(rooms) - 1)
    every = [tuple(b - a for a, b in zip((0, *cut), (*cut, items), strict=True)) for cut in cuts]
    shares = fitted_shares(costs, rooms)
    assert sum(shares) == items
    assert worst(shares) == pytest.approx(min(map(worst, every)), rel=1e-6)


MIB = 1024**2
SERVED = [  # hidden, MLP, queries, layers; context, shares; MiB that each device was said to have
    ((256, 688, 4, 41), 1024, (28, 14), [(77.49, 28, 15.59), (36.48, 13, 11.07)]),
    ((256, 688, 4, 41), 1024, (14, 28), [(38.75, 14, 15.59), (75.23, 27, 11.07)]),
    ((256, 688, 4, 41), 2048, (1, 1), [(58.12, 42, 19.59), (55.85, 40, 15.07)]),
    (
        (256, 688, 4, 41),
        1024,
        (10, 20, 12),
        [(27.68, 10, 15.59), (55.35, 20, 11.07), (30.94, 11, 11.07)],
    ),
    ((1024, 2816, 16, 4), 1024, (2, 2, 1), [(None, None, 50.55), (None, None, 32.54)]),
    ((1024, 2816, 16, 4), 4096, (3, 2), [(None, None, 62.55)]),
]
"""By llama-server 0.6.0 (86a2835) of files of such shapes, all in float32, in three parts: 2 slots,
over as many llvmpipe devices as shares."""


def served(folder: Path, hidden: int, mlp: int, heads: int, layers: int) -> Shape:
    def matrix(rows: int, columns: int = 1) -> tuple[tuple[int, ...], int]:
        return (columns, rows) if columns > 1 else (rows,), gguf_files.F32

    tensors = {
        "token_embd.weight": matrix(512, hidden),
        "output.weight": matrix(512, hidden),
        "output_norm.weight": matrix(hidden),
        "rope_freqs.weight": matrix(32),
    }
    sizes = {"attn_q": heads * 64, "attn_k": 128, "attn_v": 128, "attn_output": hidden}
    sizes |= {"ffn_gate": mlp, "ffn_up": mlp, "ffn_down": mlp}
    for layer in range(layers):
        tensors |= {f"blk.{layer}.{n}.weight": matrix(rows, hidden) for n, rows in sizes.items()}
        tensors |= {f"blk.{layer}.{n}.weight": matrix(hidden) for n in ("attn_norm", "ffn_norm")}
    own = {"embedding_length": hidden, "feed_forward_length": mlp, "attention__head_count": heads}
    metadata = gguf_files.metadata("llama", layers, **own)
    return gguf_shape(read_header(gguf_files.write(folder / "m.gguf", metadata, tensors)))


@pytest.mark.parametrize(("sizes", "context", "shares", "devices"), SERVED)
def test_each_gpu_has_what_a_real_server_reported_of_each_device(
    sizes: tuple[int, int, int, int],
    context: int,
    shares: tuple[int, ...],
    devices: list[tuple[float | None, float | None, float]],
    tmp_path: Path,
) -> None:
    own = served(tmp_path, *sizes)
    dealt = gguf_gpus(own, (24 * GIB,) * len(shares), Limits(0.9, 2, 512, context), shares)
    for one, (weights, kv, compute) in zip(dealt, devices, strict=False):
        assert one.memory.peak_activation_bytes / MIB == pytest.approx(compute, abs=0.08)
        if weights is not None and kv is not None:
            assert one.memory.weights_bytes / MIB == pytest.approx(weights, abs=0.006)
            assert one.memory.kv_cache_bytes == kv * MIB


def model(size_gib: float) -> Shape:
    return shape("llama-3.3-70b-instruct").of_file(round(size_gib * GIB))


def test_unequal_gpus_are_filled_alike() -> None:
    big, small = gguf_dealt(model(26), (24 * GIB, 12 * GIB), LIMITS)
    assert (big.first, big.end, small.end) == (0, small.first, 80)
    assert small.head and not big.head
    assert big.share == big.end and small.share == 80 - small.first + 1
    used = [(one.memory.usable_bytes) / one.memory.total_bytes for one in (big, small)]
    assert used[0] == pytest.approx(used[1], abs=0.08)
    equal = gguf_gpus(model(26), (24 * GIB, 12 * GIB), LIMITS, (1, 1))
    assert fullest(equal).kv_cache_bytes < 0 < fullest((big, small)).kv_cache_bytes


def test_equal_gpus_have_equal_shares_unless_these_do_not_fit() -> None:
    two = (24 * GIB, 24 * GIB)
    assert [one.share for one in gguf_dealt(model(20), two, LIMITS)] == [1, 1]
    heavy = tuple(GIB // 10 if layer < 40 else 9 * GIB // 10 for layer in range(80))
    uneven = replace(model(40), in_file=FileBytes(heavy, GIB // 2))
    assert fullest(gguf_gpus(uneven, two, LIMITS, (1, 1))).sequences == 0
    dealt = gguf_dealt(uneven, (24 * GIB, 36 * GIB), LIMITS)
    assert fullest(dealt).sequences == 1
    first, last = gguf_dealt(uneven, (28 * GIB, 28 * GIB), LIMITS)
    assert first.end > 41 and fullest((first, last)).sequences == 1


def test_no_dealing_is_looked_for_where_all_together_are_too_small() -> None:
    assert [one.share for one in gguf_dealt(model(60), (24 * GIB,) * 2, LIMITS)] == [1, 1]


def test_each_gpu_has_the_bytes_of_its_own_tensors(tmp_path: Path) -> None:
    tensors = gguf_files.tensors(4) | {
        "output.weight": ((256, 512), gguf_files.Q6_K),
        "rope_freqs.weight": ((32,), gguf_files.F32),
        "token_embd_norm.weight": ((256,), gguf_files.F32),
    }
    path = gguf_files.write(tmp_path / "m.gguf", gguf_files.metadata("llama", 4), tensors)
    header = read_header(path)
    sizes = {tensor.name: tensor.size_bytes for tensor in header.tensors}
    of_layers = [sizes[f"blk.{n}.attn_q.weight"] + 1024 for n in range(4)]
    dealt = gguf_gpus(gguf_shape(header), (24 * GIB,) * 2, LIMITS, (3, 2))
    assert [one.memory.weights_bytes for one in dealt] == [
        sum(of_layers[:3]) + sizes["token_embd_norm.weight"] + 128,
        of_layers[3] + sizes["output.weight"] + sizes["output_norm.weight"] + 128,
    ]
    on_gpus = sum(one.memory.weights_bytes for one in dealt)
    assert on_gpus == header.tensor_bytes - sizes["token_embd.weight"] + 128  # a copy of rope_freqs

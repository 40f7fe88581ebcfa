"""What a token costs a GPU, by hand for Llama 3.1 8B and for a mixture of experts."""

from __future__ import annotations

import pytest

from rackwright.planning.work import Work, work_of
from rackwright.sizing import Split
from tests.samples.fleet import shape

HIDDEN, MLP, QUERIES, KEYS, VOCABULARY, LAYERS = 4096, 14336, 4096, 1024, 128256, 32
ATTENTION = HIDDEN * (2 * QUERIES + 2 * KEYS)
MATRICES = ATTENTION + 3 * HIDDEN * MLP
HEAD = VOCABULARY * HIDDEN


ALONE = Split()


def dense(split: Split = ALONE, stage: int = 0, kv_cache_dtype: str = "auto") -> Work:
    return work_of(shape("llama-3.1-8b-instruct"), split, stage, kv_cache_dtype)


def test_a_step_reads_every_matrix_once_and_no_embedding() -> None:
    assert dense().read_bytes == pytest.approx(2 * (LAYERS * MATRICES + HEAD), rel=1e-3)
    assert dense().flops == pytest.approx(2 * LAYERS * MATRICES, rel=1e-3)


def test_a_token_keeps_its_keys_and_values_and_is_looked_at_by_all_heads() -> None:
    assert dense().kv_bytes == ((None, LAYERS * 2 * KEYS * 2),)
    assert dense(kv_cache_dtype="fp8").kv_bytes == ((None, LAYERS * 2 * KEYS),)
    assert dense().attention_flops == LAYERS * 4 * QUERIES


def test_a_token_moves_what_goes_into_products_and_comes_out_of_them() -> None:
    """Seven matrices, each with the hidden states on one side."""
    wide = 2 * QUERIES + 2 * KEYS + 3 * MLP
    assert dense().moved_bytes == 2 * LAYERS * (7 * HIDDEN + wide)
    assert dense(Split(2)).moved_bytes == 2 * LAYERS * (7 * HIDDEN + wide / 2)


@pytest.mark.parametrize("ranks", [2, 4, 8])
def test_ranks_divide_what_is_read_computed_and_kept(ranks: int) -> None:
    whole, part = dense(), dense(Split(ranks))
    assert part.read_bytes == pytest.approx(whole.read_bytes / ranks, rel=1e-3)
    assert part.flops == pytest.approx(whole.flops / ranks, rel=1e-3)
    assert part.attention_flops == whole.attention_flops / ranks
    assert part.kv_bytes == ((None, LAYERS * 2 * KEYS * 2 // ranks),)
    assert part.layers == whole.layers == LAYERS


def test_stages_divide_the_layers_and_the_last_has_the_head() -> None:
    first, last = (dense(Split(1, 2), stage) for stage in (0, 1))
    assert (first.layers, last.layers) == (16, 16)
    assert last.read_bytes - first.read_bytes == pytest.approx(2 * HEAD)


def test_a_mixture_reads_experts_by_its_tokens_and_computes_the_active_ones() -> None:
    """128 experts of width 768, 8 of them for a token, hidden states of 2048, 48 layers."""
    work = work_of(shape("qwen3-30b-a3b"), Split(), 0, "auto")
    each = 3 * 2048 * 768
    assert work.expert_bytes == 48 * 128 * each * 2
    assert work.active_share == 8 / 128
    assert work.expert_flops == pytest.approx(48 * 8 * each * 2)
    assert (work.layers, work.expert_layers, work.latent_layers) == (48, 48, 0)


def test_whole_experts_are_as_many_bytes_as_slices_of_all() -> None:
    shared, whole = (
        work_of(shape("qwen3-30b-a3b"), Split(4, 1, each), 0, "auto") for each in (False, True)
    )
    assert shared == whole


def test_latent_layers_and_windows_are_told_apart() -> None:
    latent = work_of(shape("deepseek-v3"), Split(8), 0, "auto")
    assert latent.latent_layers == latent.layers > latent.expert_layers > 0
    windows = dict(work_of(shape("gpt-oss-20b"), Split(), 0, "auto").kv_bytes)
    assert set(windows) == {None, 128} and windows[None] == windows[128]

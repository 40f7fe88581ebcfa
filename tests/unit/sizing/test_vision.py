"""What images take, by hand for Gemma 3 4B and Qwen3-VL 2B."""

from __future__ import annotations

import json
from pathlib import Path

from rackwright.models import Shape, read_shape
from rackwright.sizing import Limits, Split, weights_bytes
from rackwright.sizing.vision import budget_tokens, images_at_once, seeing, tower_bytes
from rackwright.sizing.working import activation_bytes

REAL = Path(__file__).parents[2] / "data" / "configs" / "real.jsonl"
ALONE, PAIR, STAGES = Split(), Split(tensor=2), Split(pipeline=2)
LIMITS = Limits(0.9, 256, 8192, 8192)


def real(repo: str, images: int) -> Shape:
    lines = map(json.loads, REAL.read_text().splitlines())
    shape = read_shape(next(line["config"] for line in lines if line["repo"] == repo))
    return shape.seeing(images) if images else shape


GEMMA, QWEN = real("google/gemma-3-4b-it", 4), real("Qwen/Qwen3-VL-2B-Instruct", 2)


def test_a_tower_is_counted_with_the_weights_of_every_stage() -> None:
    text = real("google/gemma-3-4b-it", 0)
    assert tower_bytes(text, ALONE) == 0
    assert tower_bytes(GEMMA, ALONE) == 2 * 419_816_304
    for stage in (0, 1):
        more = weights_bytes(GEMMA, STAGES, stage) - weights_bytes(text, STAGES, stage)
        assert more == 2 * 419_816_304


def test_ranks_divide_the_products_of_blocks() -> None:
    layers, hidden, width = 27, 1152, 4304
    divided = layers * (4 * hidden**2 + 2 * hidden * width + 3 * hidden + width)
    assert tower_bytes(GEMMA, ALONE) - tower_bytes(GEMMA, PAIR) == divided


def test_the_budget_is_a_step_or_the_largest_image() -> None:
    assert GEMMA.tower and QWEN.tower
    assert (budget_tokens(GEMMA.tower, LIMITS), images_at_once(GEMMA.tower, 4, LIMITS)) == (
        8192,
        32,
    )
    assert (budget_tokens(QWEN.tower, LIMITS), images_at_once(QWEN.tower, 2, LIMITS)) == (16384, 1)
    few = LIMITS._replace(max_num_seqs=2)
    assert images_at_once(GEMMA.tower, 4, few) == 8


def test_what_was_encoded_stays_while_the_text_model_runs() -> None:
    row, levels = 2 * 2048, 3
    sees = seeing(QWEN, ALONE, LIMITS, 0)
    assert sees.kept_bytes == 16384 * (1 + levels) * row
    assert sees.standing_bytes == 8192 * (1 + levels) * row
    peak = 65536 * (1536 + 2 * 1024 + 2 * 4096 + 1024) * 2
    assert sees.peak_bytes == peak
    more = activation_bytes(QWEN, ALONE, LIMITS, 0)
    text = activation_bytes(real("Qwen/Qwen3-VL-2B-Instruct", 0), ALONE, LIMITS, 0)
    assert more == max(text, peak) + sees.kept_bytes + sees.standing_bytes


def test_later_stages_encode_nothing() -> None:
    assert seeing(GEMMA, STAGES, LIMITS, 1) == (0, 0, 0)
    assert seeing(QWEN, STAGES, LIMITS, 1) == (0, 0, 8192 * 3 * 2 * 2048)


def test_ranks_must_divide_the_tower() -> None:
    assert GEMMA.widths["vision heads"] == 16
    assert "vision heads" not in real("google/gemma-3-4b-it", 0).widths

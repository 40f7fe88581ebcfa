"""Bytes of one matrix, by hand, in every format."""

from __future__ import annotations

import pytest

from rackwright.models import NAMED, Scheme
from rackwright.models.quantization import linear_of
from rackwright.models.quantization.scheme import (
    FP8,
    FP8_ROWS,
    FP8_STATIC,
    INT8_ROWS,
    MXFP4,
    MXFP8,
    NVFP4,
    fp8_blocks,
    in_groups,
)

ROWS, COLUMNS = 256, 512
ELEMENTS = ROWS * COLUMNS
WEIGHS: dict[str, tuple[Scheme, int]] = {
    "fp8, a scale": (FP8, ELEMENTS + 4),
    "fp8, and one for what goes in": (FP8_STATIC, ELEMENTS + 8),
    "fp8, a scale an output": (FP8_ROWS, ELEMENTS + ROWS * 4),
    "fp8, blocks": (fp8_blocks(128, 128), ELEMENTS + 2 * 4 * 4),
    "fp8, blocks that are not square": (fp8_blocks(1, 128), ELEMENTS + ROWS * 4 * 4),
    "int8": (INT8_ROWS, ELEMENTS + ROWS * 4),
    "nvfp4": (NVFP4, ELEMENTS // 2 + ELEMENTS // 16 + 12),
    "mxfp4": (MXFP4, ELEMENTS // 2 + ELEMENTS // 32),
    "mxfp8": (MXFP8, ELEMENTS + ELEMENTS // 32),
    "gptq": (NAMED["gptq"].usual, ELEMENTS // 2 + ELEMENTS // 128 * 2),
    "awq": (  # of a group a scale in 16 bits, a zero in 4, and that zero in 16
        NAMED["awq"].usual,
        ELEMENTS // 2 + ELEMENTS // 128 * 4 + ELEMENTS // 128 // 2,
    ),
    "one group an output": (in_groups(4, 0), ELEMENTS // 2 + ROWS * 2),
    "three bits": (in_groups(3, 64), ELEMENTS * 3 // 8 + ELEMENTS // 64 * 2),
}


@pytest.mark.parametrize(("scheme", "expected"), WEIGHS.values(), ids=WEIGHS)
def test_a_matrix_weighs_its_elements_and_scales(scheme: Scheme, expected: int) -> None:
    assert scheme.bytes_of(ROWS, COLUMNS) == expected


def test_the_last_block_is_a_whole_one() -> None:
    assert fp8_blocks(128, 128).bytes_of(100, 130) == 100 * 130 + 2 * 4


@pytest.mark.parametrize(("scheme", "bits"), [(NVFP4, 4.5), (MXFP4, 4.25), (MXFP8, 8.25)])
def test_scales_are_a_part_of_the_bits(scheme: Scheme, bits: float) -> None:
    assert (scheme.bytes_of(4096, 4096) - scheme.tensor_bytes) * 8 / 4096**2 == bits


def test_experts_keep_zeros_once() -> None:
    """Machete, which takes them in 16 bits, multiplies single products; Marlin takes experts'."""
    awq = NAMED["awq"]
    single, routed = linear_of(0, "self_attn.q_proj"), linear_of(0, "mlp.experts.up_proj")
    weighs = [found.bytes_of(ROWS, COLUMNS) for found in map(awq.scheme, (single, routed)) if found]
    groups = ELEMENTS // 128
    assert weighs == [ELEMENTS // 2 + groups * 4 + groups // 2, ELEMENTS // 2 + groups * 5 // 2]


@pytest.mark.parametrize(("group", "more"), [(32, 0.5), (64, 2.5), (128, 2.5), (256, 0.5)])
def test_zeros_are_kept_again_for_groups_that_machete_takes(group: int, more: float) -> None:
    assert in_groups(4, group, zeros=True).scale_bytes == in_groups(4, group).scale_bytes + more

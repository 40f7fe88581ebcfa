"""Blocks of layers that keep several things, by hand for DeepSeek V4 as it is released."""

from __future__ import annotations

from rackwright.models import Shape, read_shape
from rackwright.sizing import Limits, Split, blocks_per_request, kv_bytes_per_token
from rackwright.sizing.kv_cache import block_bytes
from tests.samples.configs import usual

FLASH = [0, 0, *[4, 128] * 20, 4, 0]
LIMITS = Limits(0.9, 256, 8192, 131072)


def v4(ratios: list[int], layers: int) -> Shape:
    sizes = {"head_dim": 512, "qk_rope_head_dim": 64, "sliding_window": 128}
    more = {"compress_ratios": ratios, "num_hidden_layers": layers, "num_hash_layers": 3}
    return read_shape({**usual("DeepseekV4ForCausalLM"), **sizes, **more})


def test_a_block_holds_all_that_is_compressed() -> None:
    """21 layers of ratio 4 with their indexers and 20 of 128; windows are dealt to two groups."""
    size = 21 * (37440 + 8640) + 20 * 1728
    assert block_bytes(v4(FLASH, 43), Split(), 0, "auto") == size == 1_002_240
    assert block_bytes(v4(FLASH, 43), Split(8), 0, "auto") == size


def test_a_stage_holds_its_own_layers() -> None:
    """The first 22 of 43: two windows alone, ten of each ratio; the last 21 have one more of 4."""
    shape = v4(FLASH, 43)
    sizes = [block_bytes(shape, Split(1, 2), stage, "auto") for stage in (0, 1)]
    assert sizes == [10 * (37440 + 8640 + 1728), 11 * (37440 + 8640) + 10 * 1728]


def test_a_request_holds_blocks_of_every_group() -> None:
    """What is compressed: 256 tokens a block; windows and states: what is in flight too."""
    flight = 2 * 8192
    windows = 2 * (-(-(127 + flight) // 64) + 1)
    states = -(-(7 + flight) // 4) + 1 + -(-(127 + flight) // 8) + 1
    blocks = blocks_per_request(v4(FLASH, 43), Split(), LIMITS, 131072)
    assert blocks == 131072 // 256 + windows + states
    short = blocks_per_request(v4(FLASH, 43), Split(), LIMITS, 256)
    assert short == 1 + 2 * (4 + 1) + (64 + 1) + (32 + 1)


def test_layers_of_windows_alone_are_one_group() -> None:
    shape = v4([0] * 4, 4)
    assert block_bytes(shape, Split(), 0, "auto") == 4 * 37440
    assert blocks_per_request(shape, Split(), LIMITS, 64) == 1 + 1


def test_a_token_weighs_what_is_kept_of_all_of_them() -> None:
    """146.25 and 33.75 with ratio 4, 6.75 with 128, 585 where there is a window alone."""
    assert kv_bytes_per_token(v4([4, 4, 128, 0], 4), Split(), 0) == 2 * 180 + 7 + 585

"""The parts of a step: each grows with what it is made of, and with nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rackwright import catalog
from rackwright.models import NAMED, Shape
from rackwright.planning import step
from rackwright.planning.messages import Wires
from rackwright.planning.step import Batch, Machine, hand_over_s, stage_s
from rackwright.sizing import Split
from tests.samples.fleet import shape
from tests.samples.measured import measured

H100 = catalog.gpu_types()["h100-sxm-80gb"]
NVLINK = catalog.link("nvlink", H100)
ALONE = Split()
SMALL = "llama-3.1-8b-instruct"


def time_s(
    batch: Batch, split: Split = ALONE, model: str | Shape = SMALL, gpu: str = H100.key
) -> float:
    found = shape(model) if isinstance(model, str) else model
    kind = catalog.gpu_types()[gpu]
    wires = Wires(NVLINK if split.tensor > 1 else None, NVLINK if split.pipeline > 1 else None)
    return stage_s(found, split, 0, Machine(kind, wires, "auto", 8192), batch)


def test_reading_and_computing_alike_take_longer_than_either(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Between 128 and 512 tokens an 8B model's products read about as long as they compute."""
    usual = time_s(Batch(256, 256, 576))
    monkeypatch.setattr(step, "SMOOTHNESS", 50.0)  # the longer of both, as good as
    assert 1.05 < usual / time_s(Batch(256, 256, 576)) < 1.25


def test_few_tokens_wait_for_memory_and_many_for_arithmetic() -> None:
    one, two = time_s(Batch(1, 1, 16)), time_s(Batch(2, 2, 16))
    assert two / one < 1.01
    one, two = (time_s(Batch(tokens, 1, 16, prompts=True)) for tokens in (4096, 8192))
    assert two / one == pytest.approx(2, rel=0.05)


def test_a_prompt_twice_as_long_takes_more_than_twice_the_attention() -> None:
    whole, halves = Batch(8192, 1, 8192, prompts=True), Batch(8192, 2, 4096, prompts=True)
    assert time_s(whole) > time_s(halves)


def test_prompts_pay_for_the_eager_all_reduce_and_tokens_for_the_captured_one() -> None:
    """What two ranks take above half the time of one is launches and messages."""
    tokens, hidden, layers = 8192, 4096, 32
    captured, eager = (
        2 * layers * NVLINK.all_reduce_us(2 * hidden * count, 2, count <= 512) * 1e-6
        for count in (256, tokens)
    )
    for batch, message in (
        (Batch(256, 256, 576), captured),
        (Batch(tokens, 16, 512, prompts=True), eager),
    ):
        above = time_s(batch, Split(2)) - time_s(batch) / 2
        assert message < above < message + layers * step.LAYER_S + 0.2 * time_s(batch)


def test_eight_bit_products_quantize_what_goes_in() -> None:
    half = shape(SMALL).with_quantization(NAMED["fp8"])
    one = time_s(Batch(1, 1, 16), model=half)
    assert time_s(Batch(1, 1, 16)) / 2 < one < time_s(Batch(1, 1, 16))


def test_mxfp4_is_unpacked_where_the_gpu_has_no_arithmetic_for_it() -> None:
    """B200 is 2.4 times as fast in memory and has it; what is above that is not unpacking."""
    batch = Batch(64, 64, 576)
    hopper, blackwell = (
        time_s(batch, model="gpt-oss-20b", gpu=each) for each in (H100.key, "b200-sxm-180gb")
    )
    bandwidth = catalog.gpu_types()["b200-sxm-180gb"].memory_bandwidth_gb_per_s
    dense = time_s(batch) / time_s(batch, gpu="b200-sxm-180gb")
    assert bandwidth > H100.memory_bandwidth_gb_per_s
    assert hopper / blackwell > dense


def test_a_hand_over_is_paid_between_stages_alone() -> None:
    machine = Machine(H100, Wires(None, NVLINK), "auto", 8192)
    two, four = (hand_over_s(shape(SMALL), Split(1, n), machine, 64) for n in (2, 4))
    assert four == pytest.approx(3 * two)
    assert two > step.HAND_OVER_S
    alone = Machine(H100, Wires(), "auto", 8192)
    assert hand_over_s(shape(SMALL), ALONE, alone, 64) == 0


HYBRID = measured("qwen3.5-9b").shape
STATELESS = replace(
    HYBRID,
    layers=tuple(replace(layer, kv=replace(layer.kv, state_bytes=0)) for layer in HYBRID.layers),
)
"""The same, were a request's state nothing."""


@pytest.mark.parametrize("split", [ALONE, Split(2)])
def test_the_state_of_each_request_is_read_and_written(split: Split) -> None:
    batch, kept = Batch(32, 32, 576), sum(layer.kv.state_bytes for layer in HYBRID.layers)
    more = time_s(batch, split, HYBRID) - time_s(batch, split, STATELESS)
    moved = 2 * 32 * kept / split.tensor
    reached = H100.memory_bandwidth_gb_per_s * 1e9 * step.KV_EFFICIENCY
    assert more == pytest.approx(moved / reached)


def test_a_step_with_prompts_waits_for_each_layer_that_keeps_a_state() -> None:
    batch = Batch(512, 1, 512, prompts=True)
    more = time_s(batch, model=HYBRID) - time_s(batch, model=STATELESS)
    assert more == pytest.approx(24 * step.STATE_PROMPT_S)

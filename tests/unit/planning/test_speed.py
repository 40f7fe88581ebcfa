"""What a predicted speed must do when hardware, model or load change, and how near it must come to
what engines measured (tests/data; `python -m benchmarks.planner` prints both)."""

from __future__ import annotations

import math
from functools import cache
from itertools import pairwise
from typing import Any

import pytest

from benchmarks.planner.rows import Row, bar, measured_rows
from rackwright import catalog
from rackwright.catalog import Link
from rackwright.models import NAMED, Shape
from rackwright.plan import Speed
from rackwright.planning.layouts import Layout
from rackwright.planning.speed import STREAM_S, Load, Machine, Wires, predict
from rackwright.sizing import Split
from tests.samples.fleet import config, judged, server, shape

LOADS = (1, 4, 16, 64, 256)
DENSE = ("llama-3-8b-instruct", "llama-3-70b-instruct", "qwen3-32b", "phi-4", "gemma-2-27b-it")
MIXTURES = ("qwen3-30b-a3b", "mixtral-8x7b-instruct-v0.1", "gpt-oss-20b")


@cache
def named(name: str) -> Shape:
    return shape(name)


def joined(kind: str, gpu: str = "h200-sxm-141gb") -> Link:
    return catalog.link(kind, catalog.gpu_types()[gpu])


ALONE = Split()


def speed(
    model: str | Shape,
    split: Split = ALONE,
    load: Load | None = None,
    gpu: str = "h200-sxm-141gb",
    ranks: Link | None = None,
    stages: Link | None = None,
    kv_cache_dtype: str = "auto",
    tokens: int = 8192,
) -> Speed:
    """A replica's speed. Ranks and stages talk over NVSwitch unless said otherwise."""
    if split.gpus > 1 and "nvswitch" in catalog.gpu_types()[gpu].interconnects:
        ranks, stages = ranks or joined("nvswitch", gpu), stages or joined("nvswitch", gpu)
    wires = Wires(ranks if split.tensor > 1 else None, stages if split.pipeline > 1 else None)
    machine = Machine(catalog.gpu_types()[gpu], wires, kv_cache_dtype, tokens)
    return predict(
        named(model) if isinstance(model, str) else model, split, machine, load or Load()
    )


def rising(values: list[float]) -> bool:
    return all(before < after for before, after in pairwise(values))


# --- ranks and stages --------------------------------------------------------------------------


def test_every_doubling_of_ranks_makes_a_large_model_faster_over_nvlink() -> None:
    times = [speed("llama-3-70b-instruct", Split(ranks)).tpot_ms for ranks in (8, 4, 2, 1)]
    assert rising(times)


@pytest.mark.parametrize("model", DENSE + MIXTURES)
def test_two_ranks_over_nvlink_slow_no_model_that_is_bound_by_memory(model: str) -> None:
    assert speed(model, Split(2)).tpot_ms < speed(model).tpot_ms


@pytest.mark.parametrize("model", DENSE)
def test_ranks_never_halve_the_time_for_nothing(model: str) -> None:
    """Launches and messages are not divided by the ranks."""
    for ranks in (2, 4, 8):
        assert speed(model, Split(ranks)).tpot_ms > speed(model).tpot_ms / ranks


@pytest.mark.parametrize("count", LOADS)
@pytest.mark.parametrize("ranks", [2, 4, 8])
def test_pcie_is_slower_than_nvlink(ranks: int, count: int) -> None:
    load = Load(count)
    over = speed("llama-3-70b-instruct", Split(ranks), load, ranks=joined("pcie"))
    inside = speed("llama-3-70b-instruct", Split(ranks), load)
    assert over.tpot_ms > inside.tpot_ms and over.out_tok_s < inside.out_tok_s
    assert over.ttft_ms > inside.ttft_ms


def test_a_link_that_goes_through_the_host_is_slower_still() -> None:
    gpu = catalog.gpu_types()["rtx-6000-ada-48gb"]
    direct, host = (catalog.link("pcie", gpu, peer_access=each) for each in (True, False))
    for load in map(Load, LOADS):
        times = [
            speed("qwen3-32b", Split(4), load, gpu=gpu.key, ranks=link).tpot_ms
            for link in (direct, host)
        ]
        assert rising(times)


def test_stages_make_no_single_request_faster() -> None:
    for model in DENSE:
        alone = speed(model).tpot_ms
        for stages in (2, 4):
            assert speed(model, Split(1, stages)).tpot_ms >= alone


@pytest.mark.parametrize("model", DENSE)
def test_two_stages_are_worth_more_than_one_gpu_and_less_than_two(model: str) -> None:
    load = Load(64)
    one, two = speed(model, Split(), load), speed(model, Split(1, 2), load)
    assert one.out_tok_s < two.out_tok_s < 2 * one.out_tok_s


def test_stages_wait_for_a_slow_network() -> None:
    times = [
        speed("llama-3-70b-instruct", Split(1, 2), Load(64), stages=catalog.network(each)).ttft_ms
        for each in (400, 100, 10, 1)
    ]
    assert rising(times)


# --- load --------------------------------------------------------------------------------------


@pytest.mark.parametrize("split", [Split(), Split(2), Split(1, 2), Split(4, 2)], ids=str)
@pytest.mark.parametrize("model", DENSE + MIXTURES)
def test_more_requests_at_once_are_more_tokens_a_second_and_slower_each(
    model: str, split: Split
) -> None:
    """As far as the GPUs go; what the API server makes of it is below."""
    speeds = [speed(model, split, Load(count, streamed=False)) for count in LOADS]
    assert rising([each.out_tok_s for each in speeds])
    assert rising([each.tpot_ms for each in speeds])
    assert rising([each.ttft_ms for each in speeds])
    assert [each.concurrency for each in speeds] == list(LOADS)


def test_one_api_server_streams_so_many_tokens_a_second_and_no_more() -> None:
    """However many GPUs a replica has; more replicas have more API servers."""
    for ranks in (1, 2, 4, 8):
        for count in LOADS:
            streamed = speed("llama-3-8b-instruct", Split(ranks), Load(count))
            asked = speed("llama-3-8b-instruct", Split(ranks), Load(count, streamed=False))
            assert streamed.out_tok_s <= min(asked.out_tok_s, 1 / STREAM_S)
            assert streamed.tpot_ms >= max(asked.tpot_ms, count * STREAM_S * 1e3)
    crowded = [speed("llama-3-8b-instruct", Split(8), Load(count)) for count in (256, 1024)]
    assert crowded[0].out_tok_s == pytest.approx(crowded[1].out_tok_s, rel=0.01)


@pytest.mark.parametrize("model", DENSE + MIXTURES)
def test_long_contexts_are_slower(model: str) -> None:
    speeds = [speed(model, load=Load(1, tokens, 128)) for tokens in (512, 4096, 16384, 65536)]
    assert rising([each.tpot_ms for each in speeds])
    assert rising([each.ttft_ms for each in speeds])


def test_a_single_request_waits_for_its_own_prompt_alone() -> None:
    """However many steps the prompt takes, its answer begins after them and is then not delayed."""
    load = Load(1, 30_000, 128)
    short, long = (speed("llama-3-8b-instruct", load=load, tokens=t) for t in (1024, 32768))
    assert short.tpot_ms == long.tpot_ms
    assert short.ttft_ms >= long.ttft_ms


def test_context_costs_more_where_a_token_keeps_more() -> None:
    """Two models of like size: one keeps 8 KV heads of each token, the other all 32."""
    grouped, every = (
        shape(config("llama-3-8b-instruct", num_key_value_heads=heads)) for heads in (8, 32)
    )

    def cost(model: Shape) -> float:
        long, short = (speed(model, load=Load(1, tokens, 128)) for tokens in (30_000, 100))
        return long.tpot_ms - short.tpot_ms

    assert cost(every) > 2 * cost(grouped)


def test_a_sliding_window_makes_long_contexts_cheaper() -> None:
    def time(window: int | None, tokens: int) -> float:
        windowed = shape(config("mistral-7b-instruct-v0.3", sliding_window=window))
        return speed(windowed, load=Load(1, tokens, 128)).tpot_ms

    assert time(4096, 30000) < time(None, 30000)
    assert time(4096, 30000) == pytest.approx(time(4096, 20000), rel=0.01)
    assert time(4096, 1000) == time(None, 1000)


def test_a_step_of_fewer_tokens_makes_prompts_wait_no_less() -> None:
    load = Load(64, 2048, 128)
    small = speed("llama-3-8b-instruct", load=load, tokens=2048)
    large = speed("llama-3-8b-instruct", load=load, tokens=16384)
    assert small.out_tok_s <= large.out_tok_s


# --- models ------------------------------------------------------------------------------------


def test_a_mixture_reads_few_experts_for_few_requests() -> None:
    """30 billion parameters, 3 of them for a token: alone it is far quicker than a dense 32B."""
    dense, mixture = ([speed(m, load=Load(n)) for n in (1, 64)] for m in ("qwen3-32b", MIXTURES[0]))
    assert mixture[0].tpot_ms < dense[0].tpot_ms / 2
    grown = [each[1].tpot_ms / each[0].tpot_ms for each in (mixture, dense)]
    assert grown[0] > grown[1]  # more requests touch more experts


@pytest.mark.parametrize("model", MIXTURES)
def test_the_more_experts_for_a_token_the_slower(model: str) -> None:
    times = [
        speed(shape(config(model, num_experts_per_tok=active))).tpot_ms for active in (1, 2, 4)
    ]
    assert rising(times)


def test_whole_experts_are_dealt_unevenly() -> None:
    for load in map(Load, LOADS):
        for ranks in (2, 4, 8):
            shared, whole = (speed(MIXTURES[0], Split(ranks, 1, e), load) for e in (False, True))
            assert whole.tpot_ms >= shared.tpot_ms


@pytest.mark.parametrize("model", DENSE)
def test_half_the_bytes_are_read_in_less_time(model: str) -> None:
    whole = named(model)
    for method in ("fp8", "awq", "gptq"):
        assert speed(whole.with_quantization(NAMED[method])).tpot_ms < speed(whole).tpot_ms
    four, eight = (speed(whole.with_quantization(NAMED[each])) for each in ("awq", "fp8"))
    assert four.tpot_ms < eight.tpot_ms


def test_arithmetic_of_half_the_bits_helps_where_the_gpu_has_it() -> None:
    whole = named("llama-3-70b-instruct")
    half, load = whole.with_quantization(NAMED["fp8"]), Load(1, 8000, 128)
    for gpu, faster in (("h200-sxm-141gb", True), ("a100-sxm-80gb", False)):
        before, after = (speed(each, Split(4), load, gpu=gpu) for each in (whole, half))
        assert (after.ttft_ms < 0.9 * before.ttft_ms) is faster


def test_a_smaller_kv_cache_is_read_faster() -> None:
    load = Load(16, 8000, 128)
    times = [
        speed("llama-3-8b-instruct", load=load, kv_cache_dtype=dtype).tpot_ms
        for dtype in ("fp8", "auto")
    ]
    assert rising(times)


# --- hardware ----------------------------------------------------------------------------------


def test_memory_that_is_twice_as_fast_gives_tokens_sooner() -> None:
    gpus = ("b200-sxm-180gb", "h200-sxm-141gb", "h100-sxm-80gb", "a100-sxm-40gb", "l40s-48gb")
    assert rising([speed("qwen3-14b", gpu=gpu).tpot_ms for gpu in (*gpus, "l4-24gb")])


def test_arithmetic_that_is_faster_reads_prompts_sooner() -> None:
    gpus = ("b200-sxm-180gb", "h200-sxm-141gb", "a100-sxm-80gb", "l4-24gb")
    load = Load(1, 8000, 16)
    assert rising([speed("qwen3-14b", load=load, gpu=gpu).ttft_ms for gpu in gpus])


@pytest.mark.parametrize("key", catalog.gpu_types())
def test_every_prediction_is_a_time(key: str) -> None:
    for model in ("llama-3-8b-instruct", "deepseek-v3", "gpt-oss-120b", "gemma-3-27b-it"):
        for load in (Load(1, 1, 1), Load(), Load(1000, 8192, 1024)):
            found = speed(model, load=load, gpu=key)
            for value in (found.tpot_ms, found.ttft_ms, found.out_tok_s):
                assert math.isfinite(value) and value > 0


# --- agreement with what was measured, tests/data ------------------------------------------------

MEASURED = [(row, load) for row in measured_rows() for load in row.loads]
TRUSTED = [(row, load) for row, load in MEASURED if not row.untrusted(load)]


def named_row(value: Row | dict[str, Any]) -> str:
    if isinstance(value, Row):
        return f"{value.source} {value.engine} {value.name}"
    return f"{value['concurrency']} requests"


@pytest.mark.parametrize(("row", "load"), TRUSTED, ids=named_row)
def test_a_prediction_comes_near_what_was_measured(row: Row, load: dict[str, Any]) -> None:
    errors = row.errors(load)
    assert errors
    for figure, error in errors.items():
        assert abs(error) <= bar(load["concurrency"]), f"{figure} {error:+.1%}"


def test_what_is_not_judged_says_why_and_is_the_smaller_part() -> None:
    excused = [(row, load) for row, load in MEASURED if row.untrusted(load)]
    for row, load in excused:
        reason = row.untrusted(load)
        assert len(reason.split()) > 3
        assert row.shape.experts or not reason.startswith("random routing")
    assert len(excused) < len(TRUSTED)


def test_what_is_judged_is_of_both_gpus_and_of_every_load() -> None:
    judged_loads = {(row.gpu.key, load["concurrency"]) for row, load in TRUSTED}
    for gpu, middle in (("h100-sxm-80gb", 64), ("h200-sxm-141gb", 32)):
        assert {(gpu, count) for count in (1, middle, 256)} <= judged_loads


@pytest.mark.parametrize("count", [1, 64, 256])
def test_ranks_against_replicas_go_as_they_were_measured(count: int) -> None:
    """Two H100: few requests are served better by two ranks, many by two replicas."""
    rows = {row.run.get("name"): row for row in measured_rows() if row.source == "h100x2"}
    ranks, replicas = rows["llama3-8b-tp2"], rows["llama3-8b-2-replicas"]

    def measured(row: Row) -> float:
        return float(next(x["out_tok_s"] for x in row.loads if x["concurrency"] == count))

    faster = ranks.predicted(count)["out_tok_s"] > replicas.predicted(count)["out_tok_s"]
    assert faster is (measured(ranks) > measured(replicas))


def on_two(model: str, split: Split, count: int) -> Layout:
    """The layout where ``count`` requests are shared out to all replicas on two H200."""
    found = judged(named(model), server(), max_model_len=1024, concurrency=count)[split]
    assert found.busy is not None
    return found


@pytest.mark.parametrize("count", [1, 32, 256])
def test_a_70b_model_on_two_h200_goes_by_ranks_and_not_by_stages(count: int) -> None:
    ranks = on_two("llama-3-70b-instruct", Split(2), count)
    stages = on_two("llama-3-70b-instruct", Split(1, 2), count)
    assert ranks.busy is not None and stages.busy is not None
    assert ranks.busy.tpot_ms < stages.busy.tpot_ms
    assert ranks.out_tok_s > stages.out_tok_s


def test_two_replicas_of_an_8b_model_on_two_h200_give_more_than_one_of_two_ranks() -> None:
    """Where there is work for both: few requests are served better by all GPUs together."""
    replicas = on_two("llama-3-8b-instruct", Split(1), 256)
    ranks = on_two("llama-3-8b-instruct", Split(2), 256)
    assert (len(replicas.groups), len(ranks.groups)) == (2, 1)
    assert replicas.out_tok_s > ranks.out_tok_s


def test_one_request_to_an_8b_model_on_two_h200_is_answered_sooner_by_two_ranks() -> None:
    replicas = on_two("llama-3-8b-instruct", Split(1), 1)
    ranks = on_two("llama-3-8b-instruct", Split(2), 1)
    assert replicas.alone is not None and ranks.alone is not None
    assert ranks.alone.tpot_ms < replicas.alone.tpot_ms

"""Measured rows, as `python -m benchmarks.planner` reads, judges and prints them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.planner import __main__ as printed
from benchmarks.planner import rows
from benchmarks.planner.crossed import FITTED, crossed
from benchmarks.planner.rows import Row, bar, measured_rows
from rackwright.planning import step

RUN: dict[str, Any] = {
    "model": "llama-3.1-8b-instruct",
    "tensor_parallel_size": 2,
    "pipeline_parallel_size": 1,
    "kv_cache_tokens": 1_000_000,
}
FILE: dict[str, Any] = {
    "host": "2 x NVIDIA H100 80GB HBM3",
    "gpu": "NVIDIA H100 80GB HBM3",
    "interconnect": "nvlink",
    "engine": "vLLM 0.32.0, load_format dummy",
}


def read(folder: Path, monkeypatch: pytest.MonkeyPatch, run: dict[str, Any], **changed: Any) -> Row:
    """The only row of a folder of data that has this run in a file of a name of its own."""
    place = folder / "h100x2"
    place.mkdir(exist_ok=True)
    document = {**FILE, **changed, "runs": [{**RUN, **run}]}
    (place / "measured-more.json").write_text(json.dumps(document))
    monkeypatch.setattr(rows, "DATA", folder)
    (row,) = measured_rows.__wrapped__()
    return row


def test_a_row_says_on_what_it_was_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = read(tmp_path, monkeypatch, {"expert_parallel": False, "replicas": 2})
    assert (row.gpu.key, row.engine, row.replicas) == ("h100-sxm-80gb", "vLLM 0.32.0", 2)
    assert row.name == "llama-3.1-8b-instruct TP 2 2 replicas"
    own = read(tmp_path, monkeypatch, {"gpu": "h200-sxm-141gb", "engine": "vLLM 0.26.0"})
    assert (own.gpu.key, own.engine) == ("h200-sxm-141gb", "vLLM 0.26.0")
    assert own.speed(1).tpot_ms < row.speed(1).tpot_ms


def test_a_row_of_no_known_gpu_is_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = read(tmp_path, monkeypatch, {}, gpu="H900")
    with pytest.raises(ValueError, match=r"tests/data/h100x2: gpu must be .* \(got 'H900'\)"):
        row.speed(1)


def test_an_engine_in_the_asking_process_streams_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    streamed = read(tmp_path, monkeypatch, {}).speed(256)
    inside = read(tmp_path, monkeypatch, {}, in_process=True).speed(256)
    assert inside.out_tok_s > streamed.out_tok_s


def test_replicas_share_the_requests_and_one_request_goes_to_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    two = read(tmp_path, monkeypatch, {"replicas": 2})
    assert two.predicted(64)["out_tok_s"] == pytest.approx(2 * two.speed(64).out_tok_s)
    assert two.speed(64).concurrency == 32
    assert two.predicted(1)["out_tok_s"] == two.speed(1).out_tok_s


@pytest.mark.parametrize(("count", "allowed"), [(1, 0.15), (64, 0.15), (65, 0.25), (256, 0.25)])
def test_many_requests_may_be_further_off(count: int, allowed: float) -> None:
    assert bar(count) == allowed


@pytest.mark.parametrize(
    ("load", "verdict"),
    [
        ({"out_tok_s": 232}, ""),
        ({"out_tok_s": 150}, "MISSES the bar of 15%"),
        ({"out_tok_s": 150, "untrusted": "prefix cache on"}, "(1)"),
    ],
)
def test_what_misses_the_bar_is_said_and_what_is_not_judged_has_its_reason(
    load: dict[str, Any], verdict: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = read(tmp_path, monkeypatch, {"load": [{"concurrency": 1, **load}]})
    reasons = printed._reasons([row])
    assert reasons == ([load["untrusted"]] if "untrusted" in load else [])
    *_, last = printed._speed_table([row], reasons)
    assert last[-1] == verdict
    *_, summary = printed._summary([row])
    assert summary[:4] == ("1", *(("0", "1") if "untrusted" in load else ("1", "0")), "15%")


def test_fitting_to_some_rows_leaves_the_constants_as_they_are() -> None:
    usual = [getattr(step, name) for name in FITTED]
    _, *lines = crossed(measured_rows())
    assert len(lines) == 2  # H100 and H200
    assert usual == [getattr(step, name) for name in FITTED]
    for line in lines:
        assert float(line[-1].rstrip("%")) <= 100, line

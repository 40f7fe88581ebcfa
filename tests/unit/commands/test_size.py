"""`rackwright size`: what to buy for a model, as text, as JSON, and as an exit code."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from rackwright import catalog
from rackwright.cli import main
from rackwright.commands.size import Answer, size_up
from rackwright.errors import SpecError
from tests.samples.configs import usual
from tests.samples.fleet import TINY, catalog_model

ROOT = Path(__file__).parents[3]
DOCS = ROOT / "docs/planner.md"
UNKNOWN = ROOT / "tests/data/configs/unknown"
Kinds = tuple[type, ...]
NOTHING = type(None)
ANSWER: dict[str, Kinds] = {
    "model": (str,),
    "max_model_len": (int,),
    "concurrency": (int,),
    "gpu_memory_utilization": (float,),
    "objective": (str, NOTHING),
    "task": (str, NOTHING),
    "layouts": (list,),
    "chosen": (dict, NOTHING),
    "weights": (dict,),
}
LAYOUT: dict[str, Kinds] = {
    "gpu": (str,),
    "gpus": (int,),
    "nodes": (int,),
    "interconnect": (str,),
    "tensor_parallel_size": (int,),
    "pipeline_parallel_size": (int,),
    "expert_parallel": (bool,),
    "replicas": (int,),
    "feasible": (bool,),
    "reason": (str,),
    "chosen": (bool,),
    "max_num_seqs": (int,),
    "max_num_batched_tokens": (int,),
    "weights_gib": (float, NOTHING),
    "peak_activation_gib": (float, NOTHING),
    "overhead_gib": (float, NOTHING),
    "cuda_graph_gib": (float, NOTHING),
    "kv_cache_gib": (float, NOTHING),
    "kv_cache_tokens": (int, NOTHING),
    "sequences": (int, NOTHING),
    "requests": (int, NOTHING),
    "tpot_ms": (float, NOTHING),
    "ttft_ms": (float, NOTHING),
    "out_tok_s": (float, NOTHING),
}
OPTIONS: dict[str, Any] = {
    "gpu": None,
    "gpus": None,
    "interconnect": None,
    "max_model_len": None,
    "concurrency": None,
    "objective": None,
    "quantization": None,
    "kv_cache_dtype": "auto",
    "gpu_memory_utilization": 0.9,
    "max_num_seqs": None,
    "max_num_batched_tokens": None,
    "enforce_eager": False,
}
# One of those that have the same config.json.
JUDGED = list(
    {
        json.dumps(entry["config"]): name
        for name, entry in catalog.model_entries().items()
        if not catalog_model(name).unjudged
    }.values()
)


def size(*words: str | int | float) -> Result:
    return CliRunner().invoke(main, ["size", *map(str, words)])


def document(*words: str | int | float) -> dict[str, Any]:
    result = size(*words, "--json")
    assert isinstance(result.exception, (NOTHING, SystemExit)), result.exception
    found = json.loads(result.stdout)
    assert isinstance(found, dict)
    assert result.exit_code == (66 if found["chosen"] is None else 0)
    return found


def chosen(*words: str | int | float) -> dict[str, Any]:
    found = document(*words)["chosen"]
    assert isinstance(found, dict)
    return found


def up(model: str, **asked: Any) -> Answer:
    return size_up(model, **OPTIONS | asked)


# --- the document ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        ("qwen3-8b", "--gpu", "h200-sxm-141gb"),
        ("qwen3-30b-a3b", "--gpu", "l40s-48gb", "--concurrency", 64),
        ("llama-3.3-70b-instruct", "--gpu", "l4-24gb", "--gpus", 1),
        ("qwen3-0.6b",),
    ],
)
def test_the_document_has_its_keys_and_their_types(words: tuple[str | int, ...]) -> None:
    found = document(*words)
    check_types(found, ANSWER)
    assert found["layouts"]
    for layout in found["layouts"]:
        check_types(layout, LAYOUT)
        figures = [layout[key] for key, kinds in LAYOUT.items() if NOTHING in kinds]
        assert layout["feasible"] <= all(each is not None for each in figures)
        assert layout["chosen"] <= layout["feasible"]
        assert layout["chosen"] or layout["reason"]


def check_types(found: dict[str, Any], kinds: dict[str, Kinds]) -> None:
    assert set(found) >= set(kinds)
    for key, kind in kinds.items():
        assert type(found[key]) in kind, (key, found[key])


def test_every_key_of_the_document_is_documented() -> None:
    text = DOCS.read_text()
    layout = document("qwen3-8b", "--gpu", "h200")["layouts"][0]
    assert not [key for key in {**ANSWER, **layout} if f"`{key}`" not in text]


def test_memory_of_a_layout_adds_up_to_what_the_engine_may_take() -> None:
    layout = chosen("qwen3-8b", "--gpu", "h200", "--gpu-memory-utilization", 0.8)
    keys = ("weights_gib", "peak_activation_gib", "overhead_gib", "kv_cache_gib")
    total = catalog.gpu_types()["h200-sxm-141gb"].memory_bytes / 1024**3
    assert sum(layout[key] for key in keys) == pytest.approx(0.8 * total, abs=0.01)


def test_what_was_asked_is_in_the_document() -> None:
    words = ("--max-model-len", 2048, "--concurrency", 16, "--gpu-memory-utilization", 0.8)
    found = document("Qwen/Qwen3-8B", "--gpu", "l40s", *words)
    assert (found["model"], found["max_model_len"], found["concurrency"]) == ("qwen3-8b", 2048, 16)
    assert (found["gpu_memory_utilization"], found["objective"]) == (0.8, "throughput")
    assert document("qwen3-8b", "--gpu", "l40s")["objective"] == "latency"


def test_one_layout_of_each_offer_is_chosen_and_the_smallest_hardware_of_all() -> None:
    found = document("qwen3-32b")
    offers: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for layout in found["layouts"]:
        offers.setdefault((layout["gpu"], layout["gpus"]), []).append(layout)
    assert all(sum(each["chosen"] for each in offer) <= 1 for offer in offers.values())
    winners = [each for each in found["layouts"] if each["chosen"]]
    refused = {each["gpu"] for each in found["layouts"] if "compute capability" in each["reason"]}
    too_small = {"rtx-5060-ti-8gb"}
    assert {each["gpu"] for each in winners} == set(catalog.gpu_types()) - refused - too_small
    assert found["chosen"] in winners
    assert found["chosen"]["gpus"] == min(each["gpus"] for each in winners)


# --- what to buy -------------------------------------------------------------------------------

PRO, L40S, ADA = "rtx-pro-6000-server-96gb", "l40s-48gb", "rtx-6000-ada-48gb"


@pytest.mark.parametrize(
    ("model", "gpu", "gpus"),
    [
        ("llama-3-70b-instruct", PRO, 2),
        ("llama-3-70b-instruct", L40S, 4),
        ("llama-3-70b-instruct", ADA, 4),
        ("mixtral-8x22b-instruct-v0.1", PRO, 4),
        ("mixtral-8x22b-instruct-v0.1", L40S, 8),
        ("mixtral-8x22b-instruct-v0.1", ADA, 8),
        ("deepseek-v3", PRO, 8),
        ("deepseek-r1", PRO, 8),
    ],
)
def test_the_fewest_gpus_of_one_server(model: str, gpu: str, gpus: int) -> None:
    layout = chosen(model, "--gpu", gpu)
    assert (layout["gpus"], layout["nodes"], layout["interconnect"]) == (gpus, 1, "pcie")


@pytest.mark.parametrize("model", ["deepseek-v3", "deepseek-r1"])
def test_the_largest_models_go_by_ranks_across_pcie_before_a_second_server_is_bought(
    model: str,
) -> None:
    layout = chosen(model, "--gpu", PRO)
    assert (layout["tensor_parallel_size"], layout["pipeline_parallel_size"]) == (8, 1)
    assert layout["feasible"] and "across PCIe at every layer" in layout["reason"]
    text = size(model).stdout
    assert re.search(rf"^  {PRO} +8, pcie +TP 8 \* ", text, flags=re.M)
    assert text.endswith("* talks across PCIe at every layer: nothing else fits so few GPUs\n")


@pytest.mark.parametrize(
    ("model", "gpu"),
    [
        ("deepseek-v3", L40S),
        ("deepseek-v3", ADA),
        ("deepseek-r1", L40S),
        ("llama-3.1-405b-instruct", PRO),
        ("llama-3.1-405b-instruct", L40S),
    ],
)
def test_what_no_single_server_holds_takes_a_cluster(model: str, gpu: str) -> None:
    layout = chosen(model, "--gpu", gpu)
    assert layout["nodes"] > 1 and layout["gpus"] == 8 * layout["nodes"]
    assert document(model, "--gpu", gpu, "--gpus", 8)["chosen"] is None
    assert layout["pipeline_parallel_size"] % layout["nodes"] == 0


def test_a_type_that_comes_alone_makes_a_cluster_of_single_gpus() -> None:
    layout = chosen("llama-3-70b-instruct", "--gpu", "gh200")
    assert (layout["gpus"], layout["nodes"], layout["interconnect"]) == (2, 2, "none")
    assert (layout["tensor_parallel_size"], layout["pipeline_parallel_size"]) == (1, 2)


@pytest.mark.parametrize("model", JUDGED)
def test_every_model_is_sized_on_every_gpu_type(model: str) -> None:
    answer = up(model)
    assert {offer.gpu.key for offer in answer.offers} == set(catalog.gpu_types())
    assert all(line.isprintable() for line in answer.text().splitlines())
    found = answer.document()
    assert json.loads(json.dumps(found)) == found
    assert found["chosen"] is not None


# --- options -----------------------------------------------------------------------------------


def test_a_count_of_gpus_is_taken_as_it_is() -> None:
    found = document("qwen3-8b", "--gpu", "h200", "--gpus", 8)
    assert {each["gpus"] for each in found["layouts"]} == {8}
    assert {each["interconnect"] for each in found["layouts"]} == {"nvswitch"}
    assert {each["nodes"] for each in document("qwen3-8b", "--gpus", 16)["layouts"]} >= {2, 16}


def test_how_gpus_are_joined_may_be_asked_for() -> None:
    found = document("llama-3-70b-instruct", "--gpu", "h200", "--gpus", 2, "--interconnect", "pcie")
    assert {each["interconnect"] for each in found["layouts"]} == {"pcie"}
    across = [each for each in found["layouts"] if "across PCIe" in each["reason"]]
    assert [each["tensor_parallel_size"] for each in across] == [2]


@pytest.mark.parametrize("kind", ["pcie", "nvlink", "nvswitch"])
def test_types_that_cannot_be_joined_so_are_left_out(kind: str) -> None:
    found = document("llama-3-70b-instruct", "--interconnect", kind)
    asked = {key for key, gpu in catalog.gpu_types().items() if kind in gpu.interconnects}
    assert {each["gpu"] for each in found["layouts"]} == asked


def test_more_requests_at_once_take_more_memory_and_throughput_decides() -> None:
    alone, many = (
        chosen("llama-3-70b-instruct", "--gpu", "h100-sxm", "--concurrency", count)
        for count in (1, 128)
    )
    assert many["gpus"] > alone["gpus"]
    assert many["replicas"] * many["sequences"] >= 128
    assert many["out_tok_s"] > alone["out_tok_s"]


def test_the_objective_decides() -> None:
    words = ("qwen3-32b", "--gpu", L40S, "--gpus", 8, "--concurrency", 64)
    fast, many = (chosen(*words, "--objective", each) for each in ("latency", "throughput"))
    assert fast["out_tok_s"] <= many["out_tok_s"]
    assert document(*words, "--objective", "latency")["objective"] == "latency"


def test_throughput_is_of_full_gpus_unless_a_load_is_asked_about() -> None:
    words = ("llama-3.1-8b-instruct", "--gpu", "h100-sxm", "--gpus", 8, "--objective", "throughput")
    full, few = chosen(*words), chosen(*words, "--concurrency", 8)
    assert (full["replicas"], full["tensor_parallel_size"]) == (8, 1)
    assert full["requests"] > 8 * 256 and few["requests"] == 8
    assert few["tensor_parallel_size"] > 1
    text = size("llama-3.1-8b-instruct", "--objective", "throughput").output
    assert "for throughput when full\n" in text
    assert len(re.findall(r"tokens/s of [\d,]+ requests$", text, flags=re.M)) > 20


@pytest.mark.parametrize("more", [(), ("--objective", "latency"), ("--concurrency", 1)])
def test_latency_is_of_one_request(more: tuple[str | int, ...]) -> None:
    assert chosen("qwen3-8b", "--gpu", L40S, *more)["requests"] == 1


def test_quantized_weights_take_less() -> None:
    whole, half, quarter = (
        chosen("llama-3-70b-instruct", "--gpu", L40S, *more)
        for more in ((), ("--quantization", "fp8"), ("--quantization", "awq"))
    )
    assert [whole["gpus"], half["gpus"]] == [4, 2] and quarter["gpus"] <= 2
    sizes = [each["weights_gib"] * each["gpus"] for each in (whole, half, quarter)]
    assert sizes[1] < 0.6 * sizes[0] and sizes[2] < 0.6 * sizes[1]


def test_a_smaller_kv_cache_holds_more() -> None:
    words = ("qwen3-8b", "--gpu", "h200")
    whole, half = chosen(*words), chosen(*words, "--kv-cache-dtype", "fp8")
    assert half["kv_cache_tokens"] > 1.9 * whole["kv_cache_tokens"]


def test_a_smaller_share_of_each_gpu_leaves_less_or_takes_more() -> None:
    words = ("qwen3-8b", "--gpu", "h200", "--gpu-memory-utilization")
    assert chosen(*words, 0.5)["kv_cache_gib"] < chosen(*words, 0.9)["kv_cache_gib"]
    words = ("llama-3-70b-instruct", "--gpu", PRO, "--gpu-memory-utilization")
    assert chosen(*words, 0.6)["gpus"] > chosen(*words, 0.9)["gpus"]


def test_limits_of_the_engine_may_be_given() -> None:
    words = ("qwen3-8b", "--gpu", "h200", "--max-num-seqs", 16, "--max-num-batched-tokens", 1024)
    layout = chosen(*words)
    assert (layout["max_num_seqs"], layout["max_num_batched_tokens"]) == (16, 1024)
    usual = chosen("qwen3-8b", "--gpu", "h200")
    assert layout["peak_activation_gib"] < usual["peak_activation_gib"]


def test_without_graphs_there_are_none() -> None:
    assert chosen("qwen3-8b", "--gpu", "h200", "--enforce-eager")["cuda_graph_gib"] == 0


def test_the_context_is_usual_unless_it_is_given_or_the_model_has_less() -> None:
    assert document("qwen3-8b", "--gpu", "h200")["max_model_len"] == 8192
    assert document("phi-4", "--gpu", "h200", "--max-model-len", 16384)["max_model_len"] == 16384


def test_a_model_may_be_a_directory(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(TINY["config"]))
    found = document(tmp_path, "--gpu", "l4")
    assert (found["model"], found["max_model_len"]) == (tmp_path.name, 2048)


# --- text and exit codes -----------------------------------------------------------------------


def test_the_table_has_a_line_for_each_type_and_the_smallest_first() -> None:
    result = size("llama-3-70b-instruct")
    assert result.exit_code == 0
    assert result.stdout.startswith("llama-3-70b-instruct  70.6 billion parameters, Llama")
    lines = result.stdout.splitlines()
    keys = [line.split()[0] for line in lines if line.startswith("  ") and line.split()]
    assert set(keys) >= set(catalog.gpu_types())
    counts = [int(n) for n in re.findall(r"^  \S+ +(\d+)(?:,| {2,})", result.stdout, flags=re.M)]
    assert counts == sorted(counts)


def test_one_type_is_told_in_full_with_what_was_tried() -> None:
    text = size("llama-3-70b-instruct", "--gpu", "h200").stdout
    assert "NVIDIA H200, 1\n" in text and "NVIDIA H200, 2, nvswitch\n" in text
    assert "GiB too few" in text and "KV cache for " in text and " ms a token alone; " in text


def test_nothing_that_serves_is_an_answer_with_an_exit_code() -> None:
    result = size("llama-3-70b-instruct", "--gpu", "l4", "--gpus", 1)
    assert result.exit_code == 66
    assert "GiB too few" in result.stdout
    assert document("llama-3-70b-instruct", "--gpu", "l4", "--gpus", 1)["chosen"] is None


FAULTS: dict[str, tuple[tuple[str | int | float, ...], str]] = {
    "model": (("lama-3-70b-instruct",), "model: is not a known model, did you mean 'llama-3-"),
    "GPU type": (
        ("qwen3-8b", "--gpu", "h300-sxm"),
        "--gpu: is not a known GPU type, did you mean 'h",
    ),
    "one of several": (
        ("qwen3-8b", "--gpu", "h100"),
        "--gpu: may be any of h100-sxm-80gb, h100-nvl-94gb, h100-pcie-80gb (got 'h100')",
    ),
    "share": (
        ("qwen3-8b", "--gpu-memory-utilization", 1.5),
        "--gpu-memory-utilization: must be more than 0 and at most 1 (got 1.5)",
    ),
    "no share": (
        ("qwen3-8b", "--gpu-memory-utilization", "nan"),
        "--gpu-memory-utilization: must be more than 0 and at most 1 (got nan)",
    ),
    "context": (
        ("llama-3-8b-instruct", "--max-model-len", 8193),
        "--max-model-len: must be at most 8192, the longest context of llama-3-8b-instruct "
        "(got 8193)",
    ),
    "quantized already": (
        ("deepseek-v3", "--quantization", "fp8"),
        "--quantization: must be left out, deepseek-v3 is released in fp8 (got 'fp8')",
    ),
    "interconnect": (
        ("qwen3-8b", "--gpu", "l40s", "--interconnect", "nvlink"),
        "--interconnect: NVIDIA L40S has pcie only (got 'nvlink')",
    ),
    "interconnect of a type that comes alone": (
        ("qwen3-8b", "--gpu", "gh200", "--interconnect", "pcie"),
        "--interconnect: NVIDIA GH200 480GB comes one to a server (got 'pcie')",
    ),
    "servers that are not full": (
        ("qwen3-8b", "--gpus", 12),
        "--gpus: above 8 must be full servers of 8 (got 12)",
    ),
    "a step in which no text fits": (
        ("bge-m3", "--max-num-batched-tokens", 512),
        "--max-num-batched-tokens: must be at least 8192: bge-m3 reads a text in one step "
        "(got 512)",
    ),
    "a cache of what keeps nothing": (
        ("bge-m3", "--kv-cache-dtype", "fp8"),
        "--kv-cache-dtype: must be left out: bge-m3 has no KV cache (got 'fp8')",
    ),
    "a model that cannot be judged": (
        (str(UNKNOWN),),
        "model: cannot be sized: architectures: is no architecture that is known here or listed",
    ),
}


@pytest.mark.parametrize(("words", "fault"), FAULTS.values(), ids=FAULTS)
def test_what_cannot_be_is_refused_in_words(
    words: tuple[str | int | float, ...], fault: str
) -> None:
    result = size(*words)
    assert result.exit_code == 65
    assert fault in result.output
    assert "Traceback" not in result.output


def test_every_fault_of_the_command_line_is_said_at_once() -> None:
    asked = {
        "gpu": "voodoo",
        "gpu_memory_utilization": 2.0,
        "gpus": 9,
        "concurrency": 0,
        "quantization": "fp8",
    }
    with pytest.raises(SpecError) as caught:
        up("no-such-model", **asked)
    paths = [fault.path for fault in caught.value.faults]
    assert paths == ["--concurrency", "--gpu", "--gpu-memory-utilization", "model"]
    with pytest.raises(SpecError) as caught:
        up("deepseek-v3", **asked | {"gpu": "h200", "max_model_len": 10**6})
    paths = [fault.path for fault in caught.value.faults]
    assert paths == [
        "--concurrency",
        "--gpu-memory-utilization",
        "--gpus",
        "--max-model-len",
        "--quantization",
    ]


@pytest.mark.parametrize(
    "words",
    [
        ("--gpus", 0),
        ("--gpus", 129),
        ("--concurrency", 0),
        ("--objective", "speed"),
        ("--quantization", "int4"),
        ("--gpu-memory-utilization", "half"),
        ("--max-num-seqs", -1),
    ],
)
def test_what_is_no_value_of_an_option_is_a_usage_error(words: tuple[str | int, ...]) -> None:
    result = size("qwen3-8b", *words)
    assert result.exit_code == 64
    assert "Usage: " in result.output


def test_a_model_is_required() -> None:
    assert size().exit_code == 64


@pytest.mark.parametrize(
    ("model", "task", "kept"),
    [
        ("bge-m3", "embed", "no KV cache: steps of 8,192 tokens"),
        ("bge-reranker-v2-m3", "classify", "no KV cache: steps of 8,192 tokens"),
        ("qwen3-embedding-8b", "embed", "KV cache for "),
    ],
)
def test_of_what_does_not_write_no_tokens_are_promised(model: str, task: str, kept: str) -> None:
    said = CliRunner().invoke(main, ["size", model, "--gpu", "l40s-48gb"])
    assert said.exit_code == 0 and kept in said.output
    assert "how fast is not predicted" in said.output and "tokens/s" not in said.output
    asked = ["size", model, "--gpu", "l40s-48gb", "--objective", "throughput", "--json"]
    found = json.loads(CliRunner().invoke(main, asked).output)
    assert (found["task"], found["objective"]) == (task, None)
    assert {entry["out_tok_s"] for entry in found["layouts"]} == {None}


def test_what_keeps_nothing_has_no_cache_that_could_be_too_small() -> None:
    said = CliRunner().invoke(main, ["size", "bge-m3", "--gpu", "l4", "--concurrency", "5000"])
    assert said.exit_code == 66 and "KV cache" not in said.output
    assert "TP 1: steps of up to 2,048 requests (max_num_seqs), 5,000 are wanted" in said.output
    assert "servers" not in said.output  # replicas stay on one


def test_more_gpus_than_a_server_has_are_no_replica_of_such_a_model() -> None:
    said = CliRunner().invoke(main, ["size", "bge-m3", "--gpu", "l4", "--gpus", "16"])
    assert said.exit_code == 66 and "TP 1: a replica is on one server" in said.output


def test_no_line_about_what_does_not_write_is_too_long(tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    config.write_text(json.dumps(usual("BertForTokenClassification")))
    said = CliRunner().invoke(main, ["size", str(tmp_path), "--gpu", "l4"])
    assert said.exit_code == 0 and max(map(len, said.output.splitlines())) <= 100


@pytest.mark.parametrize(("model", "shares"), [("bge-m3", False), ("qwen3-embedding-8b", True)])
def test_what_keeps_nothing_takes_no_share_of_the_systems_memory(model: str, shares: bool) -> None:
    for words in ((), ("--gpu", "gb10-128gb")):
        said = CliRunner().invoke(main, ["size", model, *words])
        assert said.exit_code == 0 and ("shares its memory" in said.output) is shares


@pytest.mark.parametrize(
    ("name", "said"), [("an-Embedder", True), ("reranked", True), ("w", False)]
)
def test_a_name_of_vectors_over_a_config_that_writes_is_pointed_out(
    tmp_path: Path, name: str, said: bool
) -> None:
    folder = tmp_path / name
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(usual("Qwen3ForCausalLM")))
    output = CliRunner().invoke(main, ["size", str(folder), "--gpu", "l4"]).output
    assert ("answers: vectors" in " ".join(output.split())) is said

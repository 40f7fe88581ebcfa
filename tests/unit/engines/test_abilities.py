"""What engines can do on GPUs of an age, from what is declared to what the engine is told."""

from __future__ import annotations

from typing import Any

import pytest

from rackwright import catalog
from rackwright.catalog.drivers import drivers
from rackwright.engines import ENGINES
from rackwright.engines.abilities import dtype_on, oldest_gpu, refusals
from rackwright.engines.release import build_of
from rackwright.errors import SpecError
from rackwright.inventory.reading import load_fleet
from rackwright.models import read_shape
from rackwright.plan import FleetPlan
from rackwright.planning.placing import plan
from rackwright.report import plan_document, plan_text
from tests.samples.configs import config, usual
from tests.samples.fleet import hosts, server, service, settings, shape, spec

GPUS = catalog.gpu_types()
GGUF = {"path": "/srv/m.gguf", "sha256": "a" * 64, "size_bytes": 5 << 30}
INSTEAD = "take engine llamacpp or ollama, with a GGUF file"


def planned(gpu: str, model: str = "qwen3-8b", count: int = 1, **more: Any) -> FleetPlan:
    link = "none" if count == 1 else "pcie"
    asked = service(model, **{"max_model_len": 4096, **more})
    return plan(load_fleet(hosts({"gpu1": server(11, gpu, count, link)}, {"chat": asked})))


def faults(gpu: str, model: str = "qwen3-8b", **more: Any) -> list[str]:
    settings_ = {"driver_source": "none"} | more.pop("settings", {})
    asked = service(model, **{"max_model_len": 4096, **more})
    try:
        load_fleet(hosts({"gpu1": server(11, gpu, 1, "none")}, {"chat": asked}, **settings_))
    except SpecError as error:
        return [str(fault) for fault in error.faults]
    return []


def argv(found: FleetPlan) -> str:
    (replica,) = found.replicas
    return " ".join(ENGINES[replica.service.engine].argv(replica, "/m", settings()))


@pytest.mark.parametrize(
    ("gpu", "has"), [("v100-sxm2-32gb", "7.0"), ("v100-pcie-16gb", "7.0"), ("p40-24gb", "6.1")]
)
@pytest.mark.parametrize("source", ["none", "auto"])
def test_a_gpu_that_the_wheels_do_not_know_is_refused_with_a_way_on(
    gpu: str, has: str, source: str
) -> None:
    name = GPUS[gpu].name
    assert faults(gpu, settings={"driver_source": source}) == [
        f"services[chat].servers[gpu1]: vllm 0.32.0 needs compute capability 7.5, {name} has "
        f"{has}: {INSTEAD}"
    ]


@pytest.mark.parametrize("engine", ["ollama", "llamacpp"])
@pytest.mark.parametrize("gpu", ["v100-sxm2-32gb", "p40-24gb", "t4-16gb"])
def test_the_way_on_is_one(gpu: str, engine: str) -> None:
    own = {"llamacpp_version": "10434", "llamacpp_url": "https://x.example/{version}"}
    own |= {"llamacpp_sha256": "b" * 64}
    asked = {"engine": engine, "gguf": GGUF, "revision": ...}
    assert not faults(gpu, settings=own, **asked)


def test_sglang_needs_a_newer_one_than_vllm() -> None:
    (fault,) = faults("t4-16gb", engine="sglang")
    assert "sglang 0.5.23 needs compute capability 8.0, Tesla T4 has 7.5" in fault
    assert not faults("a10-24gb", engine="sglang")


@pytest.mark.parametrize("gpu", ["t4-16gb", "rtx-2080-ti-11gb", "quadro-rtx-8000-48gb"])
def test_without_bfloat16_float16_is_planned_told_and_said(gpu: str) -> None:
    found = planned(gpu, "llama-3.2-1b-instruct", gpu_memory_utilization=0.85)
    assert "--dtype float16" in argv(found)
    assert found.replicas[0].model.shape.dtype == "bfloat16"
    assert f"computed in float16: {GPUS[gpu].name} has no bfloat16" in plan_text(found)
    assert plan_document(found)["replicas"][0]["dtype"] == "float16"


def test_with_bfloat16_nothing_is_other() -> None:
    found = planned("a10-24gb", "llama-3.2-3b-instruct")
    assert "--dtype bfloat16" in argv(found)
    assert "computed in" not in plan_text(found)


def test_a_model_that_overflows_in_float16_is_refused() -> None:
    for model in ("gemma-2-2b-it", "gemma-3-4b-it"):
        if model in catalog.model_entries():
            (fault,) = faults("t4-16gb", model)
            assert "overflows in float16, Tesla T4 has no bfloat16" in fault
            assert INSTEAD in fault
    found = list(refuse("gemma-3-12b-it", "t4-16gb"))
    assert found == [f"Gemma3ForCausalLM overflows in float16, Tesla T4 has no bfloat16: {INSTEAD}"]
    assert not refuse("gemma-3-12b-it", "a10-24gb")


def refuse(model: str, gpu: str, kv_cache_dtype: str = "auto") -> list[str]:
    asked = spec(model=model, kv_cache_dtype=kv_cache_dtype)
    engine = ENGINES["vllm"]
    return list(refusals(engine, "0.32.0", GPUS[gpu], shape(model), asked, ENGINES.values()))


def test_formats_that_want_a_newer_gpu() -> None:
    assert "no bfloat16, which vLLM's kernels for mxfp4 need" in refuse("gpt-oss-20b", "t4-16gb")[0]
    assert not refuse("gpt-oss-20b", "a10-24gb")
    assert "no FP8 for the KV cache" in refuse("qwen3-8b", "t4-16gb", "fp8")[0]
    assert not refuse("qwen3-8b", "l4-24gb", "fp8")
    modelopt = {"quant_algo": "FP8", "kv_cache_quant_algo": "FP8"}
    asking = read_shape(config(quantization_config={"quant_method": "modelopt", **modelopt}))
    (said,) = ENGINES["vllm"].gpu_refusals(GPUS["t4-16gb"], asking, spec(model="qwen3-8b"))
    assert said == "Tesla T4 has no FP8 for the KV cache, which these weights ask for"
    # weights alone are unpacked by Marlin from Turing on
    assert not refuse("qwen3-32b-fp8", "t4-16gb")


@pytest.mark.parametrize(
    ("architecture", "head", "gpu", "said"),
    [
        ("LlamaForCausalLM", 128, "t4-16gb", ["Tesla T4 has no NVFP4 for the KV cache"]),
        ("LlamaForCausalLM", 128, "l4-24gb", []),
        ("LlamaForCausalLM", 64, "l4-24gb", ["misreads NVFP4 in the KV cache"]),
        ("DeepseekV3ForCausalLM", 128, "l4-24gb", ["latent attention has no NVFP4"]),
    ],
)
def test_a_cache_in_nvfp4_where_weights_ask_for_it(
    architecture: str, head: int, gpu: str, said: list[str]
) -> None:
    asked = {"quant_method": "modelopt", "quant_algo": "FP8", "kv_cache_quant_algo": "NVFP4"}
    made = read_shape({**usual(architecture), "head_dim": head, "quantization_config": asked})
    found = list(ENGINES["vllm"].gpu_refusals(GPUS[gpu], made, spec(model="qwen3-8b")))
    found = [line for line in found if "KV cache" in line]
    assert len(found) == len(said)
    assert all(part in line for part, line in zip(said, found, strict=True))
    fp8 = spec(model="qwen3-8b", kv_cache_dtype="fp8")
    again = ENGINES["vllm"].gpu_refusals(GPUS[gpu], made, fp8)
    assert not any("NVFP4" in line for line in again)


OCTETS = {"dtype": "fp8_e4m3", "qscheme": "per_tensor"}
FLOAT8 = {"default": {"_type": "Float8DynamicActivationFloat8WeightConfig", "_data": {}}}
BYTES = {"default": {"_type": "Int8WeightOnlyConfig", "_data": {}}}


@pytest.mark.parametrize(
    ("entry", "older"),
    [
        (
            {
                "quant_method": "quark",
                "export": {"pack_method": "reorder"},
                "global_quant_config": {"weight": OCTETS, "input_tensors": OCTETS},
            },
            ["NVIDIA A100-SXM4-80GB has no FP8, which these weights need"],
        ),
        (
            {"quant_method": "torchao", "quant_type": FLOAT8},
            ["NVIDIA A100-SXM4-80GB has no FP8, which these weights need"],
        ),
        ({"quant_method": "torchao", "quant_type": BYTES}, []),
        ({"quant_method": "fp8"}, []),
    ],
)
def test_fp8_of_quark_and_torchao_wants_a_gpu_that_has_it(
    entry: dict[str, object], older: list[str]
) -> None:
    asking, asked = read_shape(config(quantization_config=entry)), spec(model="qwen3-8b")
    said = [
        list(ENGINES["vllm"].gpu_refusals(GPUS[gpu], asking, asked))
        for gpu in ("a100-sxm-80gb", "l4-24gb", "h100-sxm-80gb")
    ]
    assert said == [older, [], []]


def test_n_grams_pinned_in_memory_that_the_gpu_shares_are_not_judged() -> None:
    asking, asked = read_shape(usual("Qwen4ExpForCausalLM")), spec(model="qwen3-8b")
    said = [
        list(ENGINES["vllm"].gpu_refusals(GPUS[gpu], asking, asked))
        for gpu in ("gb10-128gb", "gh200-144gb")
    ]
    assert said == [
        ["NVIDIA GB10 shares the host's memory, and n-grams pinned there are not judged"],
        [],
    ]


@pytest.mark.parametrize("name", ENGINES)
def test_every_build_says_its_oldest_gpu_which_its_cuda_knows(name: str) -> None:
    engine = ENGINES[name]
    assert engine.cuda_builds or engine.oldest_gpu
    for build in engine.cuda_builds:
        assert build.oldest_gpu >= drivers().cuda[build.cuda].minimum_capability
        assert build_of(engine.cuda_builds, build.version) == build
        assert oldest_gpu(engine, build.version) == build.oldest_gpu


def test_a_release_older_than_what_is_known_is_not_judged() -> None:
    assert oldest_gpu(ENGINES["vllm"], "0.1.0") is None
    assert not faults("v100-sxm2-32gb", settings={"vllm_version": "0.9.2"})


@pytest.mark.parametrize("key", GPUS)
def test_the_dtype_is_one_that_the_gpu_has(key: str) -> None:
    old = GPUS[key].compute_capability < (8, 0)
    assert dtype_on(GPUS[key], shape("qwen3-8b")) == ("float16" if old else "bfloat16")

"""Services of models that do not chat: what only writing needs is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rackwright.inventory.reading import load_fleet
from tests.samples import gguf_files
from tests.samples.configs import usual
from tests.samples.faulty import TARGET, Cases, Hosts, faults, with_model
from tests.samples.fleet import TINY, hosts, service

API = {"url": "https://api.example.com/v1", "model": "big", "key_env": "K", "tokens_a_day": 9}


def embeds(model: str = "bge-m3", **more: Any) -> Hosts:
    return hosts(services={"embed": service(model, **more)})


def hears(**more: Any) -> Hosts:
    return hosts(services={"hear": service("whisper-small", **{"max_model_len": 448, **more})})


def canvases(**more: Any) -> Hosts:
    text = {**usual("Gemma4ForCausalLM"), "model_type": "diffusion_gemma_text"}
    text |= {"num_experts": 4, "top_k_experts": 2, "moe_intermediate_size": 64}
    config = {"architectures": ["DiffusionGemmaForBlockDiffusion"], "text_config": text}
    asked = {"max_model_len": 512, **more}
    models = {"canvas": {"repo": "a/b", "config": config}}
    return hosts(services={"chat": service("canvas", **asked)}, models=models)


CASES: Cases = {
    "another engine": (
        embeds(engine="sglang"),
        "services[embed].engine: must be vllm: bge-m3 answers with vectors (got 'sglang')",
    ),
    "a target in tokens": (
        embeds(objective=TARGET),
        "services[embed].objective: must be latency or throughput, bge-m3 writes no tokens to be "
        "timed (got {'sequences': 64, 'tokens': 8192, 'tpot_ms': 50.0})",
    ),
    "adapters": (
        embeds(adapters={"sql": "/srv/models/sql"}),
        "services[embed].adapters: must be left out, adapters are for models that write, not "
        "vectors (got {'sql': '/srv/models/sql'})",
    ),
    "groups of experts": (
        hosts(
            services={"embed": service("moe", data_parallel_size=2, max_model_len=512)},
            models={
                "moe": {
                    "repo": "a/b",
                    "answers": "vectors",
                    "config": {
                        **TINY["config"],
                        **{"architectures": ["MixtralForCausalLM"], "num_local_experts": 4},
                        "num_experts_per_tok": 2,
                    },
                }
            },
        ),
        "services[embed].data_parallel_size: must be left out, more of it is done by replicas "
        "(got 2)",
    ),
    "several servers": (
        embeds(servers_per_replica=2),
        "services[embed].servers_per_replica: must be left out, more of it is done by replicas "
        "(got 2)",
    ),
    "stages of an encoder": (
        embeds(pipeline_parallel_size=2),
        "services[embed].pipeline_parallel_size: must be left out, more of it is done by replicas "
        "(got 2)",
    ),
    "a step in which no text fits": (
        embeds(max_num_batched_tokens=8191),
        "services[embed].max_num_batched_tokens: must be at least max_model_len, 8192: bge-m3 "
        "reads a text in one step (got 8191)",
    ),
    "a cache of what keeps nothing": (
        embeds(kv_cache_dtype="fp8"),
        "services[embed].kv_cache_dtype: must be left out, bge-m3 has no KV cache (got 'fp8')",
    ),
    "a router that passes on no scores": (
        embeds("bge-reranker-v2-m3", router="vllm-router"),
        "services[embed].router: must be left out, vllm-router passes on no requests for scores "
        "(got 'vllm-router')",
    ),
    "tools": (
        embeds(extra_args={"tool_call_parser": "hermes"}),
        "services[embed].extra_args.tool_call_parser: must be left out, the model writes nothing "
        "(got 'hermes')",
    ),
    "thoughts, of a model that could write": (
        embeds("qwen3-8b", extra_args={"runner": "pooling", "reasoning-parser": "qwen3"}),
        "services[embed].extra_args.reasoning-parser: must be left out, the model writes nothing "
        "(got 'qwen3')",
    ),
    "prefixes of what keeps nothing": (
        embeds(extra_args={"enable-prefix-caching": True}),
        "services[embed].extra_args.enable-prefix-caching: must be left out, the model reads a "
        "text at once and keeps none of it (got True)",
    ),
    "the other runner": (
        embeds(extra_args={"runner": "generate"}),
        "services[embed].extra_args.runner: must be pooling or left out, the model writes nothing "
        "(got 'generate')",
    ),
    "a runner that its files would have to say": (
        embeds("qwen3-embedding-0.6b", extra_args={"runner": "auto"}),
        "services[embed].extra_args.runner: must be pooling or left out, the model writes nothing "
        "(got 'auto')",
    ),
    "a model that could write, made nothing of": (
        embeds("qwen3-8b", extra_args={"runner": "pooling", "convert": "none"}),
        "services[embed].extra_args.convert: must be auto, embed or classify: the model could "
        "write (got 'none')",
    ),
    "a runner of drafts": (
        embeds("qwen3-8b", extra_args={"runner": "draft"}),
        "services[embed].extra_args.runner: must be auto, generate or pooling (got 'draft')",
    ),
    "a runner that there is not": (
        embeds("qwen3-8b", extra_args={"runner": "poolin"}),
        "services[embed].extra_args.runner: must be auto, generate or pooling (got 'poolin')",
    ),
    "what a model cannot be made": (
        embeds("qwen3-8b", extra_args={"convert": "reward"}),
        "services[embed].extra_args.convert: must be auto, none, embed or classify (got 'reward')",
    ),
    "the beginning of a flag's name": (
        embeds("qwen3-8b", extra_args={"runn": "pooling"}),
        "services[embed].extra_args.runn: must be written runner (got 'pooling')",
    ),
    "scores of an engine that was told to embed": (
        embeds("bge-reranker-v2-m3", engine="sglang", extra_args={"is-embedding": True}),
        "services[embed].engine: must be vllm: bge-reranker-v2-m3 answers with scores "
        "(got 'sglang')",
    ),
    "another answer than its own": (
        embeds(extra_args={"convert": "classify"}),
        "services[embed].extra_args.convert: must be left out, the model's own architecture says "
        "what it answers (got 'classify')",
    ),
    "a draft": (
        embeds(extra_args={"speculative-config": "{}"}),
        "services[embed].extra_args.speculative-config: changes memory or placement in a way that "
        "cannot be judged yet",
    ),
    "images": (
        embeds(images=1),
        "services[embed].images: must be left out, bge-m3 sees no images (got 1)",
    ),
    "transcripts of another engine": (
        hears(engine="sglang"),
        "services[hear].engine: must be vllm: whisper-small answers with transcripts "
        "(got 'sglang')",
    ),
    "more sounds than one": (
        hears(audios=2),
        "services[hear].audios: must be left out, it hears one sound in each request, whatever is "
        "said here (got 2)",
    ),
    "a step in which no sound fits": (
        hears(max_num_batched_tokens=1499),
        "services[hear].max_num_batched_tokens: must be at least 1500: whisper-small reads an "
        "image or a sound in one step (got 1499)",
    ),
    "more than it can write": (
        hears(max_model_len=449),
        "services[hear].max_model_len: must be at most 448, the longest context of whisper-small "
        "(got 449)",
    ),
    "stages of what hears": (
        hears(pipeline_parallel_size=2),
        "services[hear].pipeline_parallel_size: must be left out, more of it is done by replicas "
        "(got 2)",
    ),
    "a target for transcripts": (
        hears(objective={**TARGET, "tokens": 448}),
        "services[hear].objective: must be latency or throughput, how fast whisper-small hears is "
        "not predicted (got {'sequences': 64, 'tokens': 448, 'tpot_ms': 50.0})",
    ),
    "a router that passes on no sounds": (
        hears(router="vllm-router"),
        "services[hear].router: must be left out, vllm-router passes on no requests for "
        "transcripts (got 'vllm-router')",
    ),
    "prefixes of sounds": (
        hears(extra_args={"enable_prefix_caching": True}),
        "services[hear].extra_args.enable_prefix_caching: must be left out, the model keeps "
        "nothing of a sound for the next (got True)",
    ),
    "tools of what hears": (
        hears(extra_args={"tool-call-parser": "hermes"}),
        "services[hear].extra_args.tool-call-parser: must be left out, the model answers no chats "
        "(got 'hermes')",
    ),
    "a runner for vectors of sound": (
        hears(extra_args={"runner": "pooling"}),
        "services[hear].extra_args.runner: must be left out, the model answers with transcripts "
        "(got 'pooling')",
    ),
    "a target for canvases": (
        canvases(objective=TARGET),
        "services[chat].objective: must be latency or throughput, how fast canvas writes is not "
        "predicted (got {'sequences': 64, 'tokens': 8192, 'tpot_ms': 50.0})",
    ),
    "groups of canvases": (
        canvases(data_parallel_size=2),
        "services[chat].data_parallel_size: must be left out, more of it is done by replicas "
        "(got 2)",
    ),
    "stages of canvases": (
        canvases(pipeline_parallel_size=2),
        "services[chat].pipeline_parallel_size: must be left out, more of it is done by replicas "
        "(got 2)",
    ),
    "answers of what has no config": (
        with_model(path="/srv/m", header="/nowhere.gguf", answers="vectors"),
        "models[tiny]: must have answers beside config, not beside figures or header",
    ),
}


@pytest.mark.parametrize(("data", "expected"), CASES.values(), ids=CASES)
def test_a_fault_is_named_with_path_rule_and_value(data: Hosts, expected: str) -> None:
    assert expected in faults(data)


@pytest.mark.parametrize(("data", "expected"), CASES.values(), ids=CASES)
def test_it_is_the_only_one_of_its_path(data: Hosts, expected: str) -> None:
    path = expected.partition(": ")[0]
    assert len([line for line in faults(data) if line.startswith(f"{path}:")]) == 1


@pytest.mark.parametrize(
    "data",
    [
        embeds(overflow=API),
        embeds("qwen3-8b", overflow=API, extra_args={"runner": "pooling"}),
        embeds("qwen3-8b", overflow=API, engine="sglang", extra_args={"is-embedding": True}),
    ],
)
def test_overflow_would_be_vectors_of_another_model(data: Hosts) -> None:
    (line,) = [one for one in faults(data) if "overflow" in one]
    rule = "must be left out, another model's vectors cannot stand in for its own"
    assert line.startswith(f"services[embed].overflow: {rule} (got {{'url'")


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"tensor_parallel_size": 2, "quantization": "fp8", "concurrency": 64},
        {"extra_args": {"runner": "pooling", "no-enable-prefix-caching": None}},
        {"aliases": ["text-embedding-3-large"], "router": "vllm-router"},
        {"model": "qwen3-embedding-4b", "max_num_batched_tokens": 2048, "kv_cache_dtype": "fp8"},
        {"model": "qwen3-8b", "extra_args": {"runner": "pooling", "convert": "classify"}},
        {"model": "qwen3-8b", "extra_args": {"runner": "auto", "convert": "embed"}},
        {"model": "qwen3-8b", "extra_args": {"runner": "generate", "convert": "none"}},
    ],
)
def test_what_makes_sense_is_taken(more: dict[str, Any]) -> None:
    load_fleet(embeds(**more))


def test_a_file_that_was_made_to_embed_is_not_served_to_talk(tmp_path: Path) -> None:
    own = {"bert.pooling_type": 1, **gguf_files.metadata("bert", 2)}
    file = gguf_files.write(tmp_path / "bert.gguf", own, gguf_files.tensors(2))
    gguf = {"path": "/srv/bert.gguf", "sha256": "a" * 64, "size_bytes": file.stat().st_size}
    asked = service("bert", engine="llamacpp", revision=..., gguf=gguf, max_model_len=512)
    found = faults(hosts(services={"embed": asked}, models={"bert": {"header": str(file)}}))
    rule = "services[embed].engine: must be vllm: bert answers with vectors (got 'llamacpp')"
    assert rule in found

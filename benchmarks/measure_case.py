"""Measures one case of ``measure_engine.py``, in a process of its own.

    python measure_case.py FOLDER

The folder holds the model's ``config.json`` and ``case.json``: a name, a model, and optionally
``engine`` (arguments that differ from ``ENGINE``), ``load`` (how many requests at once, of 512
tokens in and 128 out) and ``sampling`` (how tokens are drawn, instead of the likeliest); a model
that hears has ``prompt``, and is given it with 30 s of noise. Once all is imported it waits for a
line on stdin, and uses the GPU only after it. ``row.json`` in the folder is what was measured, or
the ``error``.
"""

from __future__ import annotations

import importlib
import json
import os
import random
import re
import statistics
import sys
import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

GIB = 1 << 30
TOKENS_IN, TOKENS_OUT = 512, 128
SOUND_S, SOUND_HZ = 30, 16_000
ENGINE = {
    "dtype": "auto",
    "max_model_len": 8192,
    "max_num_seqs": 1024,
    "max_num_batched_tokens": 8192,
    "gpu_memory_utilization": 0.90,
    "enforce_eager": False,
}
FIXED = {
    "load_format": "dummy",
    "skip_tokenizer_init": True,
    "generation_config": "vllm",
    "enable_prefix_caching": False,
    "disable_log_stats": False,
    # Where nvcc and ninja are found vLLM would compile FlashInfer's for minutes, with multicast.
    "compilation_config": {"pass_config": {"fuse_allreduce_rms": False}},
}
LOGGED = {
    "weights_gib": r"Model loading took ([\d.]+) GiB",
    "peak_activation_gib": r"([\d.]+) GiB for peak activation",
    "cuda_graph_gib": r"Graph capturing finished in \d+ secs, took ([\d.]+) GiB",
    "kv_cache_gib": r"Available KV cache memory: ([\d.]+) GiB",
    "kv_cache_tokens": r"GPU KV cache size: ([\d,]+) tokens",
    "capture_s": r"Graph capturing finished in (\d+) secs",
}
"""What vLLM 0.26 and 0.32 log by the same words. With an estimate of CUDA graphs (model runner 1)
they are captured twice: first the estimate, then what they take."""


def measure(case: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """One row: prepare, wait for a line on stdin, then build the engine and load it."""
    from vllm import LLM, EngineArgs

    tokenizer(folder)
    arguments = {**ENGINE, **FIXED, **case.get("engine", {}), "model": str(folder)}
    prepare(EngineArgs(**arguments))
    print("prepared", flush=True)
    sys.stdin.readline()
    start = time.perf_counter()
    llm = LLM(**arguments)
    ready_s = round(time.perf_counter() - start, 1)
    row = {"name": case["name"], "model": case["model"], "engine": versions(), **settings(llm)}
    row |= {"ready_s": ready_s, "device_used_gib": device_used_gib()}
    try:
        row |= accounting(llm, (folder / "log").read_text(errors="replace"))
    except (
        Exception
    ) as error:  # another version keeps it elsewhere: its speed is known all the same
        row["accounting_error"] = f"{type(error).__name__}: {error}"
    if case.get("load"):
        row |= loaded(llm, case)
    return row


def tokenizer(folder: Path) -> None:
    """Make one of ``tokens`` (token -> number), where the folder has such a file."""
    if not (given := folder / "tokens").exists():
        return
    config = json.loads((folder / "config.json").read_text())
    tokens = {number: token for token, number in json.loads(given.read_text()).items()}
    count = max(config.get("text_config", config)["vocab_size"], max(tokens) + 1)
    plain = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    added = [{"id": n, "content": tokens[n], **plain, "special": True} for n in sorted(tokens)]
    words = {tokens.get(number, f"w{number}"): number for number in range(count)}
    (folder / "tokenizer.json").write_text(
        json.dumps(
            {
                "version": "1.0",
                "added_tokens": added,
                "pre_tokenizer": {"type": "WhitespaceSplit"},
                "model": {"type": "WordLevel", "vocab": words, "unk_token": "w5"},
            }
        )
    )


def prepare(arguments: Any) -> None:
    """Do what needs no GPU: import, and look into the model's class."""
    import torch
    from vllm.model_executor.model_loader.utils import get_model_architecture

    for module in ("gpu_worker", "gpu_model_runner", "gpu.model_runner"):
        importlib.import_module(f"vllm.v1.worker.{module}")
    get_model_architecture(arguments.create_engine_config().model_config)
    if torch.cuda.is_initialized():
        print("warning: preparing has touched the GPU", flush=True)


def versions() -> str:
    import torch
    import vllm

    return f"vLLM {vllm.__version__}, torch {torch.__version__}"


def settings(llm: Any) -> dict[str, Any]:
    """What the engine has made of its arguments."""
    config = llm.llm_engine.vllm_config
    parallel, scheduler = config.parallel_config, config.scheduler_config
    return {
        "dtype": str(config.model_config.dtype).removeprefix("torch."),
        "quantization": config.model_config.quantization,
        "kv_cache_dtype": config.cache_config.cache_dtype,
        "tensor_parallel_size": parallel.tensor_parallel_size,
        "pipeline_parallel_size": parallel.pipeline_parallel_size,
        "replicas": 1,
        "max_model_len": config.model_config.max_model_len,
        "max_num_seqs": scheduler.max_num_seqs,
        "max_num_batched_tokens": scheduler.max_num_batched_tokens,
        "gpu_memory_utilization": config.cache_config.gpu_memory_utilization,
        "enforce_eager": config.model_config.enforce_eager,
        "cuda_graph_mode": config.compilation_config.cudagraph_mode.name,
        "cuda_graph_sizes": len(config.compilation_config.cudagraph_capture_sizes or ()),
    }


def accounting(llm: Any, log: str) -> dict[str, Any]:
    """The engine's own figures: those it logs, and what its first rank keeps but does not log."""
    found = {name: re.findall(pattern, log) for name, pattern in LOGGED.items()}
    last = {name: values[-1].replace(",", "") for name, values in found.items() if values}
    counts = {
        name: int(last.pop(name)) for name in ("kv_cache_tokens", "capture_s") if name in last
    }
    cache = llm.llm_engine.vllm_config.cache_config
    first, *_ = llm.llm_engine.model_executor.collective_rpc(kept)
    return {
        **{name: float(figure) for name, figure in last.items()},
        **counts,
        "kv_cache_blocks": cache.num_gpu_blocks,
        "block_size": cache.block_size,
        **first,
    }


def kept(worker: Any) -> dict[str, Any]:
    """What one rank's worker keeps of its memory, as far as this version does.

    Runs in the process of the rank.
    """
    worker = getattr(worker, "worker", worker)
    snapshot = worker.init_snapshot
    figures = {
        "total": snapshot.total_memory,
        "free_at_start": snapshot.free_memory,
        "requested": worker.requested_memory,
        "weights": worker.model_runner.model_memory_usage,
        "peak_activation": getattr(worker, "peak_activation_memory", None),
        "non_torch": getattr(worker, "non_torch_memory", None),
        "cuda_graph_estimate": getattr(worker, "cudagraph_memory_estimate", None),
        "kv_cache": getattr(worker, "available_kv_cache_memory_bytes", None),
    }
    return {
        "device_total_gib": round(snapshot.total_memory / GIB, 1),
        "model_runner": 2 if worker.use_v2_model_runner else 1,
        "bytes": {name: int(value) for name, value in figures.items() if value is not None},
        "compile_s": round(worker.vllm_config.compilation_config.compilation_time, 1),
    }


def device_used_gib() -> float:
    import torch

    free, total = torch.cuda.mem_get_info()
    return float(round((total - free) / GIB, 2))


def loaded(llm: Any, case: Mapping[str, Any]) -> dict[str, Any]:
    """The speed at each concurrency; an error here does not cost what is known already."""
    try:
        generate(llm, 8, case)
        speeds = [load(llm, concurrency, case) for concurrency in case["load"]]
    except Exception as error:
        traceback.print_exc()
        return {"load_error": str(error)}
    return {"load": speeds, "device_used_after_load_gib": device_used_gib()}


def load(llm: Any, concurrency: int, case: Mapping[str, Any]) -> dict[str, float]:
    """The speed of that many requests sent at once; of three in a row for one."""
    rounds = 3 if concurrency == 1 else 1
    start = time.perf_counter()
    outputs = [o for _ in range(rounds) for o in generate(llm, concurrency, case)]
    elapsed = time.perf_counter() - start
    stats = [output.metrics for output in outputs]
    between = [(s.last_token_ts - s.first_token_ts) / (TOKENS_OUT - 1) for s in stats]
    return {
        "concurrency": concurrency,
        "out_tok_s": round(len(outputs) * TOKENS_OUT / elapsed, 1),
        "ttft_ms": round(1e3 * statistics.median(s.first_token_latency for s in stats), 1),
        "tpot_ms": round(1e3 * statistics.median(between), 2),
    }


def generate(llm: Any, concurrency: int, case: Mapping[str, Any]) -> list[Any]:
    from vllm import SamplingParams

    make = heard if "prompt" in case else read
    wanted = {"temperature": 0, **case.get("sampling", {})}
    answer = SamplingParams(**wanted, max_tokens=TOKENS_OUT, ignore_eos=True, detokenize=False)
    prompts = [make(llm, case) for _ in range(concurrency)]
    return list(llm.generate(prompts, answer, use_tqdm=False))


def read(llm: Any, case: Mapping[str, Any]) -> dict[str, Any]:
    """A prompt of tokens by chance."""
    highest = llm.llm_engine.vllm_config.model_config.get_vocab_size() - 1
    return {"prompt_token_ids": [random.randint(1000, highest) for _ in range(TOKENS_IN)]}


def heard(llm: Any, case: Mapping[str, Any]) -> dict[str, Any]:
    """The case's prompt, with noise."""
    import numpy

    noise = numpy.random.default_rng().normal(0, 0.1, SOUND_S * SOUND_HZ).astype("float32")
    return {"prompt": case["prompt"], "multi_modal_data": {"audio": (noise, SOUND_HZ)}}


def main() -> None:
    folder = Path(sys.argv[1])
    case = json.loads((folder / "case.json").read_text())
    try:
        row = measure(case, folder)
    except Exception as error:
        traceback.print_exc()
        last = f"{type(error).__name__}: {error}".splitlines()[-5:]
        row = {"name": case["name"], "error": last}
    (folder / "row.json").write_text(json.dumps(row))
    sys.stdout.flush()
    os._exit(0)  # at once: the parent ends what the engine has started


if __name__ == "__main__":
    main()

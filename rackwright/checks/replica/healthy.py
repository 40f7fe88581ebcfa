"""A replica on two GPUs on which all is well, and one of an engine that says what it holds."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from rackwright.checks.check import Sample
from rackwright.checks.planned import PlannedReplica, Predicted
from rackwright.plan import Speed

UNIT = "rackwright-chat-gpu1-0.service"
GROUP = f"/system.slice/{UNIT}"
ALONE = Speed(concurrency=1, tpot_ms=10.0, ttft_ms=50.0, out_tok_s=100.0)
BUSY = Speed(concurrency=15, tpot_ms=20.0, ttft_ms=500.0, out_tok_s=800.0)
MODELS = {"object": "list", "data": [{"id": "llama", "max_model_len": 8192}]}
COMPLETION = {
    "object": "chat.completion",
    "model": "llama",
    "choices": [{"message": {"content": "blue"}}],
    "usage": {"completion_tokens": 8},
}
OWN = {
    "pid": 321,
    "command": "python -m vllm",
    "cgroups": ["/", GROUP],
    "started_s": 5.01,
    "addresses": ["0B0200C0:1F40"],
}
"""The unit's process, listening on the replica's port."""
STALE = {**OWN, "pid": 99, "command": "python -m vllm --old", "cgroups": ["/user.slice"]}
"""One that was left over from before."""


def answer(body: Any, **more: Any) -> dict[str, Any]:
    """An HTTP answer with 200."""
    return {"status": 200, "body": body, "replica": None, "seconds": 0.05, **more}


def streamed(token_ms: float = 10.0, first_ms: float = 30.0, **more: Any) -> dict[str, Any]:
    """64 tokens of a stream, so fast."""
    last_s = (first_ms + 63 * token_ms) / 1e3
    seen = {"status": 200, "tokens": 64, "first_s": first_ms / 1e3, "last_s": last_s, "others": 0}
    return {**seen, **more}


def busy_gpu(percent: float, mhz: Any = 1980) -> dict[str, Any]:
    """A GPU as it was sampled during a burst of requests."""
    return {"samples": 20, "utilization_percent": percent, "clock_mhz": mhz}


REPLICA = Sample(
    PlannedReplica(
        name="chat-gpu1-0",
        host="gpu1",
        unit=UNIT,
        port=8000,
        served_model_name="llama",
        max_model_len=8192,
        engine="vllm",
        version="0.32.0",
        figures=("requests_running", "kv_cache_tokens"),
        predicted=Predicted(100_000, (ALONE, BUSY)),
        gpus=(0, 1),
        tensor_parallel_size=2,
        burst=True,
    ),
    {
        "unit": {
            "LoadState": "loaded",
            "ActiveState": "active",
            "SubState": "running",
            "MainPID": "321",
            "NRestarts": "0",
            "NeedDaemonReload": "no",
            "ControlGroup": GROUP,
            "LimitNOFILE": "1048576",
            "ExecMainStartTimestampMonotonic": "5000000",
        },
        "attempts": {"failed": 0, "gave_up": False},
        "open_files": {"soft": "1048576", "hard": "1048576", "used": 90},
        "listeners": [OWN],
        "health": answer(""),
        "models": answer(MODELS),
        "version": answer({"version": "0.32.0"}),
        "completion": answer(COMPLETION),
        "metrics": answer({"requests_running": 0.0, "kv_cache_tokens": 99_900.0}),
        "delivery": streamed(),
        "burst": {
            "requests": 8,
            "others": 0,
            "tokens": 1500,
            "seconds": 3.0,
            "errors": [],
            "gpus": {"0": busy_gpu(96), "1": busy_gpu(93)},
        },
    },
)
DIGEST = "ab" * 32
OLLAMA = Sample(
    replace(
        REPLICA.planned,
        engine="ollama",
        asked=True,
        digest=DIGEST,
        figures=(),
        predicted=None,
        burst=False,
    ),
    {
        **REPLICA.seen,
        "answers": {
            "ps": answer(
                {
                    "models": [
                        {
                            "name": "llama:latest",
                            "size": 5 << 30,
                            "size_vram": 5 << 30,
                            "context_length": 8192,
                        }
                    ]
                }
            ),
            "show": answer({"modelfile": f"# x\nFROM /cache/blobs/sha256-{DIGEST}\n"}),
        },
    },
)

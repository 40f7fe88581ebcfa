"""What an engine tells of itself: memory in its log, the size of its KV cache in its metrics."""

from __future__ import annotations

import re
from typing import Any

from rackwright.engines import ENGINES
from rackwright.remote.served.metrics import figures

_SUMMARY = re.compile(
    r"Actual usage is (?P<consumed>[\d.]+) GiB for consumed memory \(weights \+ non-torch\), "
    r"(?P<peak_activation>[\d.]+) GiB for peak activation, "
    r"and (?P<cuda_graph>[\d.]+) GiB for CUDAGraph memory.*"
    r"Current kv cache memory in use is (?P<kv_cache>[\d.]+) GiB"
)
"""Of vLLM 0.32; where graphs are estimated it is not said."""
_SINGLE = {
    "weights_gib": r"Model loading took ([\d.]+) GiB",
    "kv_cache_gib": r"Available KV cache memory: ([\d.]+) GiB",
    "cuda_graph_gib": r"Graph capturing finished in \d+ secs, took ([\d.]+) GiB",
    "capture_s": r"Graph capturing finished in (\d+) secs",
    "compile_s": r"torch\.compile (?:and initial profiling/warmup run together )?took ([\d.]+) s",
    "kv_cache_tokens": r"GPU KV cache size: ([\d,]+) tokens",
    "max_total_num_tokens": r"max_total_num_tokens=(\d+)",
}
"""What vLLM logs by itself, and SGLang's KV cache; the largest figure of several ranks counts."""
_CHOSEN = re.compile(
    r"(Using .{0,80}(?:backend|all-?reduce).{0,80}|Using AttentionBackend.*)", re.I
)
_ERROR = re.compile(
    r"^(?!.*\b(?:WARNING|INFO)\b).*"
    r"(?:\b\w*(?:Error|Exception)\b\s*:|\bCUDA error\b|\bKilled\b|core-dump)"
)


def of_log(text: str) -> dict[str, Any]:
    """The figures that the log of one start holds."""
    found: dict[str, Any] = {}
    for name, pattern in _SINGLE.items():
        if numbers := [float(one.replace(",", "")) for one in re.findall(pattern, text)]:
            counted = name.endswith("tokens") or name == "capture_s"
            found[name] = int(max(numbers)) if counted else max(numbers)
    if "max_total_num_tokens" in found:
        found["kv_cache_tokens"] = found.pop("max_total_num_tokens")
    if summary := _SUMMARY.search(text):
        found |= {f"{name}_gib": float(figure) for name, figure in summary.groupdict().items()}
    return found


def backends(text: str) -> list[str]:
    """What the engine says that it has chosen, each once."""
    return list(dict.fromkeys(match.strip() for match in _CHOSEN.findall(text)))


def of_metrics(text: str, engine: str) -> dict[str, Any]:
    """The size of the KV cache, where the engine's metrics tell it."""
    tokens = figures(text, ENGINES[engine].figures).get("kv_cache_tokens")
    return {} if tokens is None else {"kv_cache_tokens": int(tokens)}


def cause(text: str, lines: int = 3) -> list[str]:
    """The first errors in a log: what follows in it follows from them."""
    found = [line.strip()[:300] for line in text.splitlines() if _ERROR.search(line)]
    return list(dict.fromkeys(found))[:lines] or [line[:300] for line in text.splitlines()[-lines:]]

"""The starts that are measured, in their order, and what the log of one says of its parts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

USUAL = "usual"
"""vLLM's own way to read weights."""
FORMATS = (USUAL, "instanttensor", "fastsafetensors")
PARTS = {
    "load_s": r"Loading weights took ([\d.]+) seconds",
    "model_s": r"Model loading took [\d.]+ GiB memory and ([\d.]+) seconds",
    "engine_s": r"init engine \(.*?\) took ([\d.]+) s",
    "compile_s": r"torch\.compile (?:and initial profiling/warmup run together )?took ([\d.]+) s",
    "capture_s": r"Graph capturing finished in (\d+) secs",
}
"""Seconds by vLLM's own log (0.32): weights read, the model on the GPU, all that comes after it
(profiling, compiling, graphs), and of that compiling and graphs. The largest of several ranks."""
SHOWN = {"load_s": "weights s", "engine_s": "engine s", "compile_s": "compiling s"}
LOADED = "Directly load AOT compilation"


class Start(NamedTuple):
    """One start, of the replica of a ``service``.

    ``fresh``: without its cache. ``seed``: with what an equal one compiled. ``cold``: its weights
    are read from the disk, not from memory.
    """

    name: str
    service: str
    load_format: str = USUAL
    fresh: bool = False
    seed: bool = False
    cold: bool = False


def starts(formats: Sequence[str], *, quick: bool) -> Iterator[Start]:
    """First, with a seed, with its own cache; then weights by each format, cold and warm."""
    yield Start("first", "start0", fresh=True)
    yield Start("with the seed", "start1", fresh=True, seed=True)
    if quick:
        return
    yield Start("with its own cache", "start1")
    for one in formats:
        yield Start(f"{one}, from the disk", "start1", one, cold=True)
        yield Start(f"{one}, from memory", "start1", one)


def parts_of(log: str) -> dict[str, Any]:
    """What one start's log says."""
    found: dict[str, Any] = {"compiled_code": "loaded" if LOADED in log else "made"}
    for name, pattern in PARTS.items():
        if seconds := [float(one) for one in re.findall(pattern, log)]:
            found[name] = max(seconds)
    return found


def ratios(rows: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Each start's seconds to those of the first."""
    known = {row["name"]: row["ready_s"] for row in rows if row.get("ready_s")}
    first = known.get("first")
    return {name: round(seconds / first, 2) for name, seconds in known.items()} if first else {}


def table(document: dict[str, Any]) -> str:
    """All rows, for people."""
    compared = ratios(document["runs"])
    headings = ("start", "ready s", "to the first", "CPU s", *SHOWN.values(), "code")
    lines = [f"| {' | '.join(headings)} |", f"|{' --- |' * len(headings)}"]
    for row in document["runs"]:
        figures = (row.get(key, "-") for key in ("cpu_s", *SHOWN))
        cells = (row["name"], row["ready_s"], compared.get(row["name"], "-"), *figures)
        lines.append(f"| {' | '.join(map(str, cells))} | {row['compiled_code']} |")
    lines += [f"| {row['name']} | failed: {row['error']} |" for row in document["failed"]]
    lines += [f"| {name} | not run |" for name in document["not_run"]]
    return "\n".join(lines)

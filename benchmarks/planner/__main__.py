"""`python -m benchmarks.planner`: predicted beside measured, and planning a large fleet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from benchmarks.planner.crossed import crossed
from benchmarks.planner.rows import FIGURES, Row, bar, measured_rows
from benchmarks.planner.timing import planning
from rackwright.sizing import GIB

SPEEDS = ("tpot_ms", "ttft_ms", "out_tok_s")


def main() -> None:
    """Print every table. Planning is timed first, before anything it needs is at hand."""
    timed = planning()
    rows = measured_rows()
    print(f"Memory of {len(rows)} measured engines, GiB a GPU; predicted / measured (error)\n")
    _print(_memory_table(rows))
    print("\nSpeed, 512 tokens in and 128 out; predicted / measured (error)\n")
    reasons = _reasons(rows)
    _print(_speed_table(rows, reasons))
    for number, reason in enumerate(reasons, start=1):
        print(f"({number}) not judged: {reason}")
    print()
    _print(_summary(rows))
    print(
        "\nThe same constants fitted anew to the rows of one kind of GPU, judged by the others'\n"
    )
    _print(crossed(rows))
    print(f"\n{timed}")


def _memory_table(rows: Sequence[Row]) -> Iterator[tuple[str, ...]]:
    yield ("measured", "engine", "layout", "weights", "activations", "graphs", "KV cache tokens")
    for row in rows:
        memory, run = row.memory, row.run
        yield (
            row.source,
            row.engine,
            row.name,
            _pair(memory.weights_bytes / GIB, run.get("weights_gib")),
            _pair(memory.peak_activation_bytes / GIB, run.get("peak_activation_gib")),
            _pair(memory.cuda_graph_bytes / GIB, run.get("cuda_graph_gib")),
            _pair(memory.kv_cache_tokens, run.get("kv_cache_tokens"), ",.0f"),
        )


def _reasons(rows: Sequence[Row]) -> list[str]:
    """Why loads are not judged, each reason once."""
    found = (row.untrusted(load) for row in rows for load in row.loads)
    return [reason for reason in dict.fromkeys(found) if reason]


def _speed_table(rows: Sequence[Row], reasons: Sequence[str]) -> Iterator[tuple[str, ...]]:
    yield (
        "measured",
        "engine",
        "layout",
        "requests",
        "ms a token",
        "first after ms",
        "tokens/s",
        "",
    )
    for row in rows:
        for load in row.loads:
            found = row.predicted(load["concurrency"])
            yield (
                row.source,
                row.engine,
                row.name,
                str(load["concurrency"]),
                *(_pair(found[key], load.get(key), ",.1f") for key in SPEEDS),
                _verdict(row, load, reasons),
            )


def _verdict(row: Row, load: dict[str, Any], reasons: Sequence[str]) -> str:
    """Which reason a load is not judged for, or that it misses the bar; empty where all is well."""
    if reason := row.untrusted(load):
        return f"({reasons.index(reason) + 1})"
    allowed = bar(load["concurrency"])
    missed = max(map(abs, row.errors(load).values())) > allowed
    return f"MISSES the bar of {allowed:.0%}" if missed else ""


def _summary(rows: Sequence[Row]) -> Iterator[tuple[str, ...]]:
    """The worst errors among what is judged, by the number of requests."""
    yield ("requests", "judged", "not judged", "bar", "worst ms a token", "worst tokens/s")
    loads = [(row, load) for row in rows for load in row.loads]
    for count in sorted({load["concurrency"] for _, load in loads}):
        same = [(row, load) for row, load in loads if load["concurrency"] == count]
        judged = [row.errors(load) for row, load in same if not row.untrusted(load)]
        yield (
            str(count),
            str(len(judged)),
            str(len(same) - len(judged)),
            f"{bar(count):.0%}",
            *(_worst([errors[key] for errors in judged if key in errors]) for key in FIGURES),
        )


def _worst(errors: Sequence[float]) -> str:
    return f"{max(errors, key=abs):+.1%}" if errors else "-"


def _pair(predicted: float, measured: float | None, form: str = ".2f") -> str:
    if measured is None:
        return f"{predicted:{form}} / -"
    error = f" ({predicted / measured - 1:+.1%})" if measured else ""
    return f"{predicted:{form}} / {measured:{form}}{error}"


def _print(rows: Iterator[tuple[str, ...]]) -> None:
    table = list(rows)
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    for row in table:
        print("  ".join(f"{cell:<{size}}" for cell, size in zip(row, widths, strict=True)).rstrip())


if __name__ == "__main__":
    main()

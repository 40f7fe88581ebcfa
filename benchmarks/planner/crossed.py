"""Cross-validation: the speed model fitted to the rows of one kind of GPU, judged by the others'.

What is fitted are the constants that rows of one request or of full GPUs decide; those taken from
single kernels, and the API server's time (one row decides it), stay as they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from benchmarks.planner.rows import Row, bar
from rackwright.planning import step

FITTED = ("MEMORY_EFFICIENCY", "LAYER_S", "SUSTAINED")
"""Constants of ``rackwright.planning.step``."""
STEPS = (1.08, 1.02)
"""By what factors each is moved, as long as the errors become smaller."""
Judged = Sequence[tuple[Row, dict[str, Any]]]


def crossed(rows: Sequence[Row]) -> Iterator[tuple[str, ...]]:
    """A line for each kind of GPU left out: what was fitted, and the errors on what it had not."""
    yield ("fitted to", *FITTED, "judged by", "loads", "mean error", "worst of its bar")
    usual = _values()
    judged = [(row, load) for row in rows for load in row.loads if not row.untrusted(load)]
    kinds = sorted({row.gpu.name for row, _ in judged})
    for kind in kinds if len(kinds) > 1 else ():
        seen = [each for each in judged if each[0].gpu.name == kind]
        other = [each for each in judged if each[0].gpu.name != kind]
        _fit(seen)
        values = (
            f"{value * 1e6:.0f} us" if value < 0.01 else f"{value:.2f}" for value in _values()
        )
        yield (kind, *values, " and ".join(each for each in kinds if each != kind), *_told(other))
        _set(usual)


def _told(judged: Judged) -> tuple[str, str, str]:
    shares = [
        (abs(error), abs(error) / bar(load["concurrency"]))
        for row, load in judged
        for error in row.errors(load).values()
    ]
    mean = sum(error for error, _ in shares) / len(shares)
    return str(len(judged)), f"{mean:.1%}", f"{max(share for _, share in shares):.0%}"


def _fit(judged: Judged) -> None:
    """Move one constant at a time while that lessens the squared errors."""
    values, least = list(_values()), _loss(judged)
    for factor in STEPS:
        better = True
        while better:
            better = False
            for index in range(len(values)):
                for move in (factor, 1 / factor):
                    tried = [*values[:index], values[index] * move, *values[index + 1 :]]
                    _set(tried)
                    if (loss := _loss(judged)) < least * 0.999:
                        values, least, better = tried, loss, True
    _set(values)


def _loss(judged: Judged) -> float:
    """Squared errors, each as a share of its bar."""
    return sum(
        (error / bar(load["concurrency"])) ** 2
        for row, load in judged
        for error in row.errors(load).values()
    )


def _values() -> tuple[float, ...]:
    return tuple(getattr(step, name) for name in FITTED)


def _set(values: Sequence[float]) -> None:
    for name, value in zip(FITTED, values, strict=True):
        setattr(step, name, value)

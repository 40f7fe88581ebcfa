"""Engines that were measured on real GPUs, by the names of their rows (tests/data/README.md)."""

from __future__ import annotations

from benchmarks.planner.rows import Row, measured_rows


def measured(name: str) -> Row:
    """The row of that name."""
    return next(row for row in measured_rows() if row.run.get("name") == name)

"""Which of the feasible layouts serves a service's objective best, and what the others lack."""

from __future__ import annotations

from dataclasses import replace
from math import inf

from rackwright.planning.layouts import Layout
from rackwright.spec import ServiceSpec, Target

CLOSE = 1.02
"""Predictions closer than this are equal: the layout with fewer GPUs a replica wins."""


def choose(service: ServiceSpec, layouts: list[Layout]) -> tuple[Layout | None, list[Layout]]:
    """The best feasible layout, and all others with the reason why not."""
    feasible = [layout for layout in layouts if not layout.reason]
    if not feasible:
        return None, layouts
    best = min(_cost(service, layout) for layout in feasible)
    close = [layout for layout in feasible if _cost(service, layout) <= best * CLOSE]
    chosen = min(
        close,
        key=lambda layout: (layout.split.gpus, _cost(service, layout), layout.split.pipeline),
    )
    others = [
        layout if layout.reason else replace(layout, reason=_worse(service, layout))
        for layout in layouts
        if layout is not chosen
    ]
    return chosen, sorted(others, key=lambda layout: _rank(service, layout))


def last_resort(service: ServiceSpec, layouts: list[Layout]) -> Layout | None:
    """The best layout that talks over something slow: better than a second server."""
    across = [layout for layout in layouts if layout.across]
    return min(across, key=lambda layout: _cost(service, layout), default=None)


def _worse(service: ServiceSpec, layout: Layout) -> str:
    return slower(service) if layout.alone else "fits, but takes more GPUs than it needs"


def slower(service: ServiceSpec) -> str:
    """Why a feasible layout is not the one; its figures stand beside the reason."""
    goal = service.objective
    name = "throughput within the target" if isinstance(goal, Target) else goal
    return f"fits, but serves {name} worse"


def _rank(service: ServiceSpec, layout: Layout) -> float:
    """Feasible layouts by how well they serve, then all others as they were considered."""
    return _cost(service, layout) if layout.feasible else inf


def _cost(service: ServiceSpec, layout: Layout) -> float:
    """The smaller the better: milliseconds a token of one request, or seconds a token of all.

    Where an engine's speed is not predicted, the number of GPUs a replica.
    """
    if layout.alone is None:
        return layout.split.gpus
    if service.objective == "latency":
        return layout.alone.tpot_ms
    return 1 / layout.out_tok_s

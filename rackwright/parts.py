"""Long work of one process, in parts: what it has under way goes on between them."""

from __future__ import annotations

from collections.abc import Callable

_others: Callable[[], object] | None = None


def between_parts(others: Callable[[], object] | None) -> None:
    """What is to be called between parts from now on."""
    global _others
    _others = others


def pause() -> None:
    """Between two parts."""
    if _others is not None:
        _others()

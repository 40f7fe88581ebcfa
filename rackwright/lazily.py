"""A package whose names are imported when they are first asked for.

Which modules they are of stands in the package twice: for people and type checkers, below
``if TYPE_CHECKING``, and as a table for Python. A test holds both against one another.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def exports(package: str, modules: Mapping[str, str]) -> Callable[[str], Any]:
    """``__getattr__`` for a package (PEP 562): ``modules`` name the module of each of its names."""

    def get(name: str) -> Any:
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(f"{package}.{modules[name]}"), name)

    return get

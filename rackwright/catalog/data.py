"""The files of the catalog."""

from __future__ import annotations

from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

import yaml


def folder() -> Traversable:
    """Where the catalog lies."""
    return files(__package__)


def read(name: str) -> dict[str, Any]:
    """A file of the catalog, by its path beside this module."""
    return dict(yaml.safe_load(folder().joinpath(name).read_text(encoding="utf-8")))

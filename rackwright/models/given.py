"""Figures of a model as a command line gives them: ``key=value``, or a file that holds them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from rackwright.errors import Fault, SpecError
from rackwright.models.by_hand import Figures
from rackwright.models.finding import named_after
from rackwright.models.spec import ModelSource, ModelSpec
from rackwright.schema.files import text_of
from rackwright.schema.validation import parse

OPTION = "--figures"
_PAIR = re.compile(r"[a-z_]+=")


def model_of_figures(name: str, given: Iterable[str]) -> ModelSpec:
    """A model called ``name`` with the keys of an inventory's ``figures``; later ones win.

    Raises SpecError with every fault: a file that is none, a key that is not known or missing.
    """
    faults: list[Fault] = []
    read: dict[str, Any] = {}
    for text in given:
        read.update(_pair(text) if _PAIR.match(text) else _of_file(Path(text), faults))
    figures = None if faults else parse(Figures, read, OPTION, faults)
    if figures is None:
        raise SpecError(faults)
    return ModelSpec(name=named_after(name), source=ModelSource(), figures=figures)


def _pair(text: str) -> dict[str, Any]:
    """As YAML reads a value; what it cannot read stays text, and is refused with the others."""
    key, _, value = text.partition("=")
    try:
        return {key: yaml.safe_load(value)}
    except (yaml.YAMLError, ValueError, RecursionError):
        return {key: value}


def _of_file(path: Path, faults: list[Fault]) -> dict[str, Any]:
    """JSON or YAML: the keys themselves, or a dict that has them as ``figures``."""
    try:
        content = yaml.safe_load(text_of(path))
    except OSError as error:
        why = error.strerror or "no file"
    except (yaml.YAMLError, ValueError, RecursionError):
        why = "no JSON or YAML"
    else:
        inner = content.get("figures", content) if isinstance(content, dict) else content
        if isinstance(inner, dict):
            return {str(key): value for key, value in inner.items()}
        why = "no dict"
    rule = f"must be key=value, or a readable file of such keys ({why})"
    faults.append(Fault(OPTION, rule, str(path)))
    return {}

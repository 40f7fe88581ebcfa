"""The project's group_data/all.py: the value of every setting, and the types that stand beside.

Read here for what pyinfra does not hand on: annotations, and the defaults of an inventory that lies
elsewhere, with group data of its own or none.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from rackwright.desired.paths import PROJECT
from rackwright.errors import InputError
from rackwright.inventory.execution import execute
from rackwright.schema import fields

FILE = PROJECT / "group_data/all.py"


@dataclass(frozen=True)
class GroupData:
    """Values by name, and the type of each that is annotated. Names with ``_`` are no data."""

    values: Mapping[str, Any]
    types: Mapping[str, Any]


@cache
def group_data(path: Path = FILE) -> GroupData:
    """What a file of group data declares. Raises InputError where it does not run."""
    module = ModuleType(path.stem)
    module.__file__ = str(path)
    try:
        execute(path, vars(module), types=True)
        named = {**vars(fields), **vars(module)}
        types = inspect.get_annotations(module, globals=named, eval_str=True)
    except (InputError, KeyboardInterrupt):
        raise
    except BaseException as error:  # the file is the operator's code: anything can come out
        raise InputError(f"{path}: {type(error).__name__}: {error}") from None
    return GroupData(values=_public(vars(module)), types=_public(types))


def _public(names: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in names.items() if not name.startswith("_")}

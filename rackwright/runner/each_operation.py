"""What pyinfra finds anew for each operation on each host, found at less cost.

Its order: pyinfra 3.10 asks ``inspect.stack`` for the lines that call it, which reads the source of
each caller to quote it: 5 ms, of a run that changes nothing on eight hosts half a second. And the
arguments that every operation takes: their types are worked out from text, 0.5 ms, and each is
looked for in host data by itself, for which the data of all groups is put together: 0.3 ms. Most
calls say none, and are told what the last such call on that host was.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from copy import copy
from functools import cache
from types import FrameType
from typing import Any
from weakref import WeakKeyDictionary

import pyinfra
from pyinfra.api import arguments
from pyinfra.api.arguments import all_global_arguments, pop_global_arguments
from pyinfra.api.host import Host
from pyinfra.api.operation import _wrap_operation
from pyinfra.api.state import State
from pyinfra.api.util import PYINFRA_INSTALL_DIR
from pyinfra.context import ctx_config

NAME = "get_operation_order_from_stack"


def order_from_frames(state: State) -> list[int | None]:
    """What pyinfra's ``get_operation_order_from_stack`` returns, in the same place.

    The number of the deploy file, and the line of each caller from there on that is not pyinfra's.
    """
    number: list[int | None] = [state.current_op_file_number] if pyinfra.is_cli else []
    callers = [(frame.f_code.co_filename, frame.f_lineno) for frame in _outermost_first()]
    names = [name for name, _ in callers]
    first = 0
    if deploy := state.current_deploy_filename:
        first = names.index(deploy) if deploy in names else len(callers)
    own = (line for name, line in callers[first:] if not name.startswith(PYINFRA_INSTALL_DIR))
    return [*number, *own]


def _outermost_first() -> list[FrameType]:
    """All that led to who asked for the order."""
    found: list[FrameType] = []
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        found.append(frame)
        frame = frame.f_back
    return found[::-1]


@cache
def _arguments() -> tuple[tuple[str, type], ...]:
    return tuple(all_global_arguments())


class _Known:
    """Host data as it is now, put together once."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        self._data = data

    def __getattr__(self, key: str) -> Any:
        try:
            return copy(self._data[key])
        except KeyError:
            raise AttributeError(key) from None


Popped = tuple[Any, list[str]]
_popped: WeakKeyDictionary[State, dict[str, tuple[Any, Popped]]] = WeakKeyDictionary()
"""Of calls that say none of them: by host, what they were found by, and what was found."""


def pop_arguments(state: State, host: Host, kwargs: dict[str, Any]) -> Popped:
    """What pyinfra's ``pop_global_arguments`` returns."""
    data = host.data.dict()
    names = _names()
    if not names.isdisjoint(kwargs):
        return _pop(state, host, kwargs, data)
    config = ctx_config.get() if ctx_config.isset() else state.config
    by = (
        config.get_current_state(),
        dict(config.ENV),
        dict(host.current_deploy_kwargs or {}),
        {key: copy(data[key]) for key in names.intersection(data)},
        [os.environ.get(name) for name in config.INHERIT_ENV],
    )
    known = _popped.setdefault(state, {})
    if host.name not in known or known[host.name][0] != by:
        known[host.name] = by, _pop(state, host, kwargs, data)
    found, _ = known[host.name][1]
    return {key: copy(value) for key, value in found.items()}, []


def _pop(state: State, host: Host, kwargs: dict[str, Any], known: Mapping[str, Any]) -> Popped:
    data = host.data
    host.data = _Known(known)  # type: ignore[assignment]
    try:
        return pop_global_arguments(state, host, kwargs)
    finally:
        host.data = data


@cache
def _names() -> frozenset[str]:
    return frozenset(key for key, _ in _arguments())


def at_less_cost() -> None:
    """Have pyinfra find all of it so."""
    vars(sys.modules[_wrap_operation.__module__])[NAME] = order_from_frames
    for module in ("operation", "deploy", "facts"):
        own = vars(sys.modules[f"{arguments.__package__}.{module}"])
        own[pop_global_arguments.__name__] = pop_arguments
    vars(arguments)[all_global_arguments.__name__] = _arguments

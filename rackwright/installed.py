"""What is installed beside us: read once, and loaded where it is used."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module, metadata
from typing import Any

_read = metadata.entry_points


@cache
def _all() -> Any:
    return _read()


def _remembered(**wanted: Any) -> Any:
    return _all().select(**wanted)


def remember_entry_points() -> None:
    """Have ``importlib.metadata.entry_points`` read them once.

    It opens a file of every package that is installed, each time: gevent asks it forty times as it
    patches, pyinfra three times for each host, pydantic once.
    """
    metadata.entry_points = _remembered


@contextmanager
def loading() -> Iterator[None]:
    """Within, modules are loaded: nothing of that is garbage, so nobody looks for any.

    What is there after it is never looked through again either: that was an eighth of a start.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def load_each(names: Iterable[str], between: Callable[[], object]) -> None:
    """Import modules one by one, with a call before each and at the end."""
    for name in names:
        between()
        import_module(name)
    between()


class _Later:
    """A module that is imported when something of it is asked for."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        return getattr(import_module(self._name), name)


def load_paramiko() -> None:
    """Import paramiko, and what it has a command of ``Match exec`` run with only for that.

    Of its import that was a third: a library of tasks, with a parser of YAML and asyncio.
    """
    if "paramiko" in sys.modules or "invoke" in sys.modules:
        return
    sys.modules["invoke"] = None  # type: ignore[assignment]  # to paramiko it is not installed
    try:
        from paramiko import config
    finally:
        del sys.modules["invoke"]
    config.invoke = _Later("invoke")  # type: ignore[attr-defined]

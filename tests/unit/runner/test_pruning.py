"""NVIDIA's module, cut down: what is named is there and works, the rest is not."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from rackwright.runner.pruning import pruned, words_of
from rackwright.runner.travelling import _cut_down, closure

SOURCE = '''"""Words."""
import os
from tools import spanner
from tools import hammer

A = 1
B = 2
NVML_ERROR_LOST = 15


def used(value):
    return spanner(value, A)


@decorated
@twice(
    B
)
class Decorated:
    pass


def nvmlDeviceGetName(handle):
    return used(handle)


def unused():
    """Its words
go on at the margin."""
    return hammer


class Unused(
    Base,
):
    pass


setup(os)
'''


def names(source: str) -> dict[str, Any]:
    """What a source defines, of a world in which everything that it calls is there."""
    world: dict[str, Any] = {
        "decorated": lambda one: one,
        "twice": lambda _: lambda one: one,
        "setup": lambda _: None,
        "Base": object,
    }
    lines = [line for line in source.splitlines() if not line.startswith("from tools")]
    exec("\n".join(lines), world)
    return world


def test_what_is_named_stays_with_all_that_it_names() -> None:
    left = pruned(SOURCE, {"Name"})
    assert {"nvmlDeviceGetName", "used", "A", "NVML_ERROR_LOST"} <= names(left).keys()
    assert "spanner" in left
    for gone in ("class Unused", "class Decorated", "B = 2", "@twice"):
        assert gone not in left


def test_decorators_stay_with_theirs() -> None:
    left = pruned(SOURCE, {"Decorated"})
    assert "@decorated\n@twice(\n    B\n)\nclass Decorated" in left and "B = 2" in left
    assert "nvmlDeviceGetName" not in left


def test_a_text_at_the_margin_ends_no_function() -> None:
    """It is not known where such a one ends: it stays whole."""
    assert callable(names(pruned(SOURCE, set()))["unused"])


SPEC = find_spec("pynvml")
assert SPEC and SPEC.origin
NVIDIAS = Path(SPEC.origin).read_text()


def _module(text: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What it defines; it makes its errors in the module of its own name, so that is not pynvml."""
    module = ModuleType("a_copy_of_pynvml")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(compile(text, "pynvml.py", "exec"), module.__dict__)
    return module.__dict__


@pytest.mark.parametrize("script", ["probe", "glance", "gpu_names", "serving"])
def test_of_nvidia_s_own_a_tenth_travels_and_defines_what_it_did(
    script: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = _cut_down(closure(script))["pynvml"]
    assert len(left) < len(NVIDIAS) / 5
    whole, cut = (_module(text, monkeypatch) for text in (NVIDIAS, left))
    ours = [source for name, source in closure(script).items() if name != "pynvml"]
    own = set().union(*map(words_of, ours))
    asking = set().union(*(words_of(source) for source in ours if "ask(" in source))
    wanted = {n for n in whole if n in own or n.removeprefix("nvmlDeviceGet") in asking}
    assert wanted <= cut.keys() | {"__doc__", "__builtins__"}
    assert {name for name in whole if name.startswith("NVMLError")} <= cut.keys()

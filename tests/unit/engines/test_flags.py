"""Flags that an engine is given are flags of its pinned release.

They are recorded of every engine that pip installs, and of no other: a wheel can be read.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rackwright.engines import ENGINES, Engine, Venv
from rackwright.engines.options import Option
from rackwright.engines.vllm import Vllm
from rackwright.errors import nearest
from tests.samples.engines import SETTINGS
from tests.samples.fleet import DEFAULTS, settings

FLAGS = Path(__file__).parents[2] / "data/flags"
RECORDED = {path.name.partition("-")[0]: path for path in sorted(FLAGS.glob("*.txt"))}


def unknown(engine: Engine, flags: frozenset[str]) -> Iterator[str]:
    """Options that would end the engine at its start."""
    for option in engine.options:
        if option.can_be_given and option.flag not in flags:
            rule = nearest(option.flag, flags, "flag of its pinned release")
            yield f"engines/{engine.name}.py: Option({option.flag!r}) {rule}"


def flags_of(name: str) -> frozenset[str]:
    return frozenset(
        line for line in RECORDED[name].read_text().splitlines() if not line.startswith("#")
    )


@pytest.mark.parametrize("engine", ENGINES.values(), ids=ENGINES.keys())
def test_the_flags_of_an_engine_that_pip_installs_are_recorded(engine: Engine) -> None:
    """Else a misspelt one would be found when the engine ends at its start on a host."""
    installed = isinstance(engine.release(settings(**SETTINGS)).content, Venv)
    assert not installed or engine.name in RECORDED, (
        f"engines/{engine.name}.py: record the flags of its release in tests/data/flags/"
        f"{engine.name}-VERSION.txt, with tests/data/flags/record.py, which says how"
    )


@pytest.mark.parametrize("name", RECORDED)
def test_every_flag_is_one_of_the_pinned_release(name: str) -> None:
    version = DEFAULTS[f"{name}_version"]
    assert RECORDED[name].stem == f"{name}-{version}", (
        f"{name} is pinned to {version}: record its flags with tests/data/flags/record.py, which "
        "says how, and remove the old list"
    )
    faults = list(unknown(ENGINES[name], flags_of(name)))
    assert not faults, "\n".join(faults)


def test_a_misspelt_flag_is_found() -> None:
    class Misspelt(Vllm):
        """vLLM with a flag it does not have."""

        options = (*Vllm.options, Option("enable-prefix-cachng", of=lambda _: True))

    assert list(unknown(Misspelt(), flags_of("vllm"))) == [
        "engines/vllm.py: Option('enable-prefix-cachng') is not a known flag of its pinned "
        "release, did you mean 'enable-prefix-caching'?"
    ]

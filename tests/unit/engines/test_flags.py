"""Flags that an engine is given are flags of its pinned release, where those were recorded."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rackwright.engines import ENGINES, Engine
from rackwright.engines.options import Option
from rackwright.engines.vllm import Vllm
from rackwright.errors import nearest
from tests.samples.fleet import DEFAULTS

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

"""`python -m benchmarks.planner.coverage`: what people serve, and how much of it is sized right.

Sizes every configuration of tests/data/configs/real.jsonl with the project's own code and puts its
elements beside those that the model really has. Shares are of the downloads of all of them.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from rackwright.errors import SpecError
from rackwright.models import Shape, read_shape

FACTS = Path(__file__).parents[2] / "tests" / "data" / "configs" / "real.jsonl"
TOLERANCE = 0.005
"""How far off, as a share of the true elements, a count may be; beyond that it is wrong."""
RIGHT, TEXT_HALF, NEAR = "right to the element", "right, its text half only", "within 0.5 %"
UNREAD, REFUSED, WRONG = "its quantization is not read", "refused, with a reason", "wrong"
OUTCOMES = (RIGHT, TEXT_HALF, NEAR, UNREAD, REFUSED, WRONG)
GOOD = (RIGHT, TEXT_HALF)
NOT_YET = (UNREAD, REFUSED, WRONG)


class Real(NamedTuple):
    """One configuration that people serve. ``parts`` are its elements by text, vision, audio."""

    repo: str
    kind: str
    downloads: int
    config: dict[str, Any]
    elements: int
    parts: dict[str, int]

    @property
    def architecture(self) -> str:
        """The class that its ``config.json`` names; its type where it names none."""
        named = self.config.get("architectures") or [str(self.config.get("model_type"))]
        return str(named[0])


class Judged(NamedTuple):
    """What became of one configuration; ``why`` says it where it is not right."""

    real: Real
    outcome: str
    why: str = ""


@cache
def real_configs() -> tuple[Real, ...]:
    """Every line of the facts, the most downloaded first."""
    return tuple(read_line(json.loads(line)) for line in FACTS.read_text().splitlines())


def read_line(line: dict[str, Any]) -> Real:
    """``hf_quant_config.json`` counts where ``config.json`` has no quantization of its own.

    So vLLM 0.32 does it (``get_config`` in vllm/transformers_utils/config.py).
    """
    config = dict(line["config"])
    if beside := line.get("hf_quant_config"):
        config.setdefault("quantization_config", {"quant_method": "modelopt", **beside})
    elements = int(line["elements"])
    parts = line.get("parts") or {"text": elements}
    return Real(line["repo"], line["kind"], line["downloads"], config, elements, parts)


def judge(real: Real) -> Judged:
    """Size it as `rackwright size` would, and compare."""
    try:
        shape = read_shape(real.config)
    except SpecError as error:
        plain = {key: real.config[key] for key in real.config if key != "quantization_config"}
        outcome = UNREAD if len(plain) < len(real.config) and _is_read(plain) else REFUSED
        return Judged(real, outcome, str(error.faults[0]))
    return _compared(real, shape)


def _is_read(config: dict[str, Any]) -> bool:
    try:
        read_shape(config)
    except SpecError:
        return False
    return True


def _compared(real: Real, shape: Shape) -> Judged:
    true = real.parts["text"] if shape.text_only else real.elements
    off = shape.parameters - true
    if not off:
        return Judged(real, TEXT_HALF if shape.text_only else RIGHT)
    said = f"{shape.parameters:,} elements, really {true:,} ({off / true:+.2%})"
    return Judged(real, NEAR if abs(off) <= TOLERANCE * true else WRONG, said)


def summary(judged: Sequence[Judged]) -> Iterator[str]:
    """A line an outcome: how many configurations, and their share of all downloads."""
    every = sum(row.real.downloads for row in judged)
    for outcome in OUTCOMES:
        rows = [row for row in judged if row.outcome == outcome]
        share = sum(row.real.downloads for row in rows) / every
        yield f"{outcome:30} {len(rows):5} {share:7.1%}"
    yield f"{'configurations':30} {len(judged):5} {1:7.1%}"


def by_architecture(judged: Iterable[Judged]) -> Iterator[str]:
    """What is not sized yet, a line an architecture, the most downloaded first."""
    found: dict[str, list[Judged]] = {}
    for row in judged:
        if row.outcome in NOT_YET:
            found.setdefault(f"{row.real.architecture:42} {row.outcome}", []).append(row)
    downloads = {name: sum(row.real.downloads for row in rows) for name, rows in found.items()}
    for name in sorted(found, key=lambda name: -downloads[name]):
        yield f"{downloads[name] / 1e6:8.2f} M  {len(found[name]):3}  {name}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table, and what was asked for beside it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.planner.coverage")
    parser.add_argument("--each", action="store_true", help="a line for each configuration")
    parser.add_argument("--not-yet", action="store_true", help="what is missing, by architecture")
    asked = parser.parse_args(arguments)
    judged = [judge(real) for real in real_configs()]
    if asked.each:
        for row in judged:
            print(f"{row.real.downloads:>10}  {row.real.repo:56} {row.outcome:28} {row.why}")
    if asked.not_yet:
        print("\n".join(by_architecture(judged)))
    print("\n".join(summary(judged)))


if __name__ == "__main__":
    main()

"""`python -m benchmarks.planner.estimates`: how far off are estimates of unknown architectures?

Known models are judged as though nobody knew them, by their tensors' names and standard keys alone,
and put beside what the project knows of them: bytes of weights a rank, and of KV cache a token.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from statistics import quantiles
from typing import Any, NamedTuple

from benchmarks.planner.coverage import FACTS
from rackwright.errors import SpecError
from rackwright.models import Shape, read_shape
from rackwright.models.tensors.estimate import MARGIN, estimated
from rackwright.models.tensors.headers import Headers, HeldTensor
from rackwright.models.tensors.names import ATTENTION, STATE
from rackwright.models.tensors.standard import text_config
from rackwright.sizing import Split
from rackwright.sizing.kv_cache import layer_kv_bytes
from rackwright.sizing.weights import weights_bytes

RANKS = (1, 2, 4, 8)


class Row(NamedTuple):
    """One model: how far off the estimate is, as shares of what is right."""

    repo: str
    architecture: str
    margin: float
    weights: dict[int, float]
    kv_cache: float
    fault: str = ""


def rows() -> Iterator[Row]:
    """Those models whose tensors are in the facts, and whose architecture is known."""
    for line in map(json.loads, FACTS.read_text().splitlines()):
        config = _unquantized(line["config"])
        if not line.get("modules") or not config.get("architectures"):
            continue
        try:
            known = read_shape(config)
        except SpecError:
            continue
        if known.answers == "text" and known.layers:
            yield _row(line["repo"], config, line["modules"], known)


def _unquantized(config: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: _unquantized(value) if isinstance(value, dict) else value
        for key, value in config.items()
        if key != "quantization_config"
    }


def _row(repo: str, config: dict[str, Any], modules: Mapping[str, int], known: Shape) -> Row:
    name = known.architecture
    try:
        guess = estimated(name, config, _headers(modules, known, config), "config")
    except SpecError as error:
        return Row(repo, name, 0, {}, 0, str(error.faults[0]))
    off = {}
    for ranks in RANKS:
        if known.heads % ranks == 0:
            right, said = (weights_bytes(one, Split(ranks), 0) for one in (known, guess))
            off[ranks] = said / right - 1
    right, said = (sum(layer_kv_bytes(s, one.kv, Split(), "auto") for one in s.layers)
                   for s in (known, guess))  # fmt: skip
    return Row(repo, name, guess.margin, off, said / right - 1 if right else math.inf)


def _headers(modules: Mapping[str, int], known: Shape, config: Mapping[str, Any]) -> Headers:
    """The tensors of bf16 files, each kind spread evenly over the layers; towers left out."""
    layers = text_config(config, "").values.get("num_hidden_layers") or len(known.layers)
    made = []
    for name, elements in modules.items():
        if known.text_only and "language_model" not in name and "lm_head" not in name:
            continue
        first, star, rest = name.partition(".*.")
        numbers = _homes(rest, known, layers) if star else [0]
        for number in numbers:
            full = f"{first}.{number}.{rest}" if star else name
            count = elements // len(numbers)
            copies = known.experts.count if known.experts and ".experts.*." in full else 1
            count = max(1, count // copies)
            wide = known.hidden_size
            shape = (count // wide, wide) if count > wide and count % wide == 0 else (count,)
            made.append(HeldTensor(full, "BF16", shape, 2 * count, copies))
    return Headers((("model.safetensors", 0),), tuple(made))


def _homes(rest: str, known: Shape, layers: int) -> list[int]:
    """Layers that have a tensor: those that attend, those that keep a state, or all alike."""
    kinds = [layer.kv.kind for layer in known.layers]
    if layers == len(kinds) and ATTENTION.search(f".{rest}"):
        attending = [number for number, kind in enumerate(kinds) if kind not in ("state", "none")]
        return attending or list(range(layers))
    if layers == len(kinds) and STATE.search(f".{rest}"):
        return [n for n, kind in enumerate(kinds) if kind == "state"] or list(range(layers))
    return list(range(layers))


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a line a model and what nine of ten are within."""
    argparse.ArgumentParser(prog="python -m benchmarks.planner.estimates").parse_args(arguments)
    found = list(rows())
    print(f"{'model':48}{'weights at 1, 2, 4, 8 ranks':40}KV cache")
    for row in sorted(found, key=lambda row: (row.margin, row.repo)):
        said = "  ".join(f"{row.weights[ranks]:+7.1%}" for ranks in row.weights)
        print(f"{row.repo:48}{row.fault or said:40}{row.kv_cache:+.0%}")
    for odd in (False, True):
        mine = [row for row in found if row.weights and (row.margin > MARGIN) is odd]
        off = sorted(max(map(abs, row.weights.values())) for row in mine)
        kept = sorted(abs(row.kv_cache) for row in mine)
        if len(mine) > 1:
            print(f"{'with more than attention' if odd else 'plain attention'}: {len(mine)} models,"
                  f" nine of ten within {quantiles(off, n=10)[-1]:.1%} (weights) and"
                  f" {quantiles(kept, n=10)[-1]:.0%} (KV cache)")  # fmt: skip


if __name__ == "__main__":
    main()

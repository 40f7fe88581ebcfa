"""All headers of a model, folded: the experts of a layer are one entry, counted."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from rackwright.remote.tensors.header import Stored

_EXPERT = re.compile(r"(\.experts\.)\d+(?=\.|$)")
Entry = tuple[str, str, tuple[int, ...], int, int]
"""Name (``*`` for the number of an expert), dtype, shape, bytes of each, how many."""


class File(NamedTuple):
    """One file, its bytes in all, and what its header says."""

    name: str
    size: int
    tensors: list[Stored]


def summary(files: list[File]) -> dict[str, Any]:
    """``files`` with their sizes, and ``tensors``. Raises ValueError for a name in two files."""
    homes: dict[str, str] = {}
    counts: dict[tuple[str, str, tuple[int, ...], int], int] = {}
    for file in files:
        for tensor in file.tensors:
            other = homes.setdefault(tensor.name, file.name)
            if other != file.name:
                raise ValueError(f"{tensor.name[:200]} stands in {other} and in {file.name}")
            name = _EXPERT.sub(r"\1*", tensor.name)
            key = (name, tensor.dtype, tensor.shape, tensor.end - tensor.begin)
            counts[key] = counts.get(key, 0) + 1
    tensors = sorted((name, dtype, list(shape), size, count)
                     for (name, dtype, shape, size), count in counts.items())  # fmt: skip
    return {"files": sorted([file.name, file.size] for file in files), "tensors": tensors}

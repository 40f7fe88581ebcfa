"""The headers of all files of a model, as values and as the JSON that is kept of them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

FORMAT = 1
"""Of the JSON; another one is not read."""
_MOST = 1 << 62


class HeldTensor(NamedTuple):
    """``copies`` tensors of ``size_bytes`` each; an expert's number in ``name`` is ``*``."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    size_bytes: int
    copies: int = 1

    @property
    def total_bytes(self) -> int:
        """Of all copies."""
        return self.size_bytes * self.copies

    @property
    def elements(self) -> int:
        """Of one copy, as stored: packed weights count as what they are packed in."""
        count = 1
        for dimension in self.shape:
            count *= dimension
        return count


@dataclass(frozen=True, eq=False)
class Headers:
    """``files`` by name with their sizes, ``tensors`` sorted by name.

    ``repo`` and ``revision`` (a commit) say where on a hub they are; both empty for a folder's.
    """

    files: tuple[tuple[str, int], ...]
    tensors: tuple[HeldTensor, ...]
    repo: str = ""
    revision: str = ""

    @property
    def total_bytes(self) -> int:
        """Of all tensors; files have their headers beside."""
        return sum(tensor.total_bytes for tensor in self.tensors)

    @property
    def by_dtype(self) -> dict[str, int]:
        """Bytes by what they are stored in, the most first."""
        counted: Counter[str] = Counter()
        for tensor in self.tensors:
            counted[tensor.dtype] += tensor.total_bytes
        return dict(counted.most_common())

    def text(self) -> str:
        """As JSON, a line a file and a tensor: it may lie in git beside an inventory."""
        source = {"format": FORMAT, "repo": self.repo, "revision": self.revision}
        head = json.dumps(source)[1:-1]
        files = ",\n".join(json.dumps(list(file)) for file in self.files)
        tensors = ",\n".join(json.dumps(list(tensor)) for tensor in self.tensors)
        return f'{{{head}, "files": [\n{files}],\n"tensors": [\n{tensors}]}}\n'


def headers_of(values: Any, repo: str = "", revision: str = "") -> Headers:
    """From what a reader of headers answers, or the JSON that is kept. Raises ValueError."""
    if not isinstance(values, Mapping):
        raise ValueError("must be an object of tensor headers")
    if values.get("format", FORMAT) != FORMAT:
        raise ValueError(f"must be tensor headers of format {FORMAT}")
    files, tensors = values.get("files"), values.get("tensors")
    if not (isinstance(files, list) and isinstance(tensors, list) and files and tensors):
        raise ValueError("must have files and tensors, as `rackwright tensors` writes them")
    return Headers(
        tuple(map(_file, files)),
        tuple(map(_tensor, tensors)),
        repo or _text(values.get("repo", "")),
        revision or _text(values.get("revision", "")),
    )


def _file(entry: Any) -> tuple[str, int]:
    if not (isinstance(entry, list) and len(entry) == 2 and _is_count(entry[1])):
        raise ValueError(f"has a file that is no name and size: {entry!r:.100}")
    return _text(entry[0]), entry[1]


def _tensor(entry: Any) -> HeldTensor:
    fits = isinstance(entry, list) and len(entry) == 5 and isinstance(entry[2], list)
    if not (fits and all(map(_is_count, [*entry[2], *entry[3:]])) and len(entry[2]) <= 16):
        raise ValueError(f"has a tensor that cannot be read: {entry!r:.100}")
    name, dtype, shape, size, copies = entry
    return HeldTensor(_text(name), _text(dtype), tuple(shape), size, copies)


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value <= _MOST


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"has no text where one must be: {value!r:.100}")
    return value

"""What headers of weights say, as a table for people and a document for programs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from rackwright.models.tensors.headers import Headers
from rackwright.report.table import table_text
from rackwright.sizing import GIB


class Read(NamedTuple):
    """The headers of one model; ``place`` is where they were read."""

    model: str
    place: str
    headers: Headers


def tensors_text(found: Iterable[Read]) -> str:
    """A line a model: its files, its tensors, their bytes by dtype."""
    rows = [
        (
            one.model,
            one.place,
            len(one.headers.files),
            sum(tensor.copies for tensor in one.headers.tensors),
            f"{one.headers.total_bytes / GIB:,.2f}",
            ", ".join(f"{dtype} {size / GIB:,.2f}" for dtype, size in one.headers.by_dtype.items()),
        )
        for one in found
    ]
    headings = ("model", "read of", "files", "tensors", "GiB", "of these")
    return table_text(headings, rows, ("files", "tensors", "GiB"))


def tensors_document(found: Iterable[Read]) -> list[dict[str, Any]]:
    """The same as values for JSON."""
    return [
        {
            "model": one.model,
            "place": one.place,
            "repo": one.headers.repo or None,
            "revision": one.headers.revision or None,
            "files": dict(one.headers.files),
            "tensors": sum(tensor.copies for tensor in one.headers.tensors),
            "bytes": one.headers.total_bytes,
            "bytes_by_dtype": one.headers.by_dtype,
        }
        for one in found
    ]

"""What is to be said of a model's weights: an estimate, and files that arithmetic does not meet."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rackwright.catalog.served import listed
from rackwright.models import Shape
from rackwright.sizing import GIB, Split, weights_bytes
from rackwright.sizing.weights import computed_bytes, difference, host_bytes


def weights_words(shape: Shape) -> list[str]:
    """Sentences; none where it is known, its files are as arithmetic has them, and all on GPUs."""
    return [*_estimate(shape), *_difference(shape), *_in_host(shape)]


def _estimate(shape: Shape) -> Iterator[str]:
    if not shape.margin:
        return
    yield (
        f"estimate: {shape.architecture} is not known. Weights are those of its files; what ranks "
        f"hold of them, and the KV cache, follow names and standard keys: within {shape.margin:.0%}"
        " where that was tried; activations are those of usual layers"
    )
    release = listed()
    if shape.architecture not in release.architectures:
        yield f"warning: vLLM {release.version} does not list it, and may not serve it"


def _difference(shape: Shape) -> Iterator[str]:
    off = difference(shape)
    if off:
        stored, computed = (shape.stored_bytes or 0) / GIB, computed_bytes(shape) / GIB
        yield (
            f"warning: its files hold {stored:,.2f} GiB of what is loaded, by its config they "
            f"would hold {computed:,.2f} GiB ({off:+.1%}): planned with the larger"
        )


def _in_host(shape: Shape) -> Iterator[str]:
    if size := host_bytes(shape, Split()):
        yield (
            f"{size / GIB:,.1f} GiB of its weights are pinned in the host's memory, for each "
            "replica, and on no GPU: whether the host has room for them is not planned"
        )


def weights_document(shape: Shape) -> dict[str, Any]:
    """The same for programs; docs/planner.md names every key. Sizes are GiB of the whole model."""
    known = not shape.margin
    files = shape.stored_bytes if known else weights_bytes(shape, Split(), 0)
    return {
        "estimate": not known,
        "margin": shape.margin or None,
        "files_gib": round(files / GIB, 3) if files else None,
        "config_gib": round(computed_bytes(shape) / GIB, 3) if known else None,
        "host_gib": round(host_bytes(shape, Split()) / GIB, 3),
        "differ": bool(difference(shape)),
        "listed_by_engine": shape.architecture in listed().architectures or known,
    }

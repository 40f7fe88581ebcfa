"""A model by its config and the headers of its files together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from rackwright.errors import Fault, SpecError
from rackwright.models import is_known, read_shape
from rackwright.models.projection import found_in
from rackwright.models.quantization import DTYPE_BYTES
from rackwright.models.shape import Shape
from rackwright.models.tensors.estimate import estimated
from rackwright.models.tensors.headers import Headers, HeldTensor
from rackwright.models.tensors.loaded import held_bytes, loaded, text_half

_ZERO_BITS, _UNPACKED_BITS = 4, 16


def shape_of_files(values: Mapping[str, Any], headers: Headers, path: str) -> Shape:
    """A known architecture with what its files hold beside; an unknown one estimated by them.

    Raises SpecError with every fault of the config.
    """
    named = values.get("architectures")
    one = named[0] if isinstance(named, (list, tuple)) and len(named) == 1 else None
    if is_known(values) or not isinstance(one, str):
        shape = read_shape(values, path)
        shape = found_in(shape, ((one.name, one.shape) for one in headers.tensors))
        return replace(shape, stored_bytes=stored_bytes(shape, headers))
    try:
        return estimated(one, values, headers, path)
    except SpecError as error:
        rule = "is not known, and its config lacks what an estimate by its files needs"
        first = Fault(f"{path}.architectures", rule, one)
        raise SpecError([first, *error.faults]) from None


def stored_bytes(shape: Shape, headers: Headers) -> int:
    """Bytes of what an engine loads of the files, as it holds them."""
    held = loaded(headers.tensors, len(shape.layers), shape.tied)
    if shape.text_only:
        held = text_half(held)
    size = DTYPE_BYTES[shape.dtype]
    return sum(held_bytes(tensor, size) for tensor in held) + sum(_unpacked(shape, headers))


def _unpacked(shape: Shape, headers: Headers) -> Iterator[int]:
    """AWQ's zeros, of which the engine holds a second copy in 16 bits; GPTQ's, which it drops."""
    method = shape.quantization.method if shape.quantization else ""
    for tensor in headers.tensors:
        if tensor.name.endswith(".qzeros"):
            yield _zeros(tensor, method)
        if tensor.name.endswith(".g_idx"):
            yield -tensor.total_bytes


def _zeros(tensor: HeldTensor, method: str) -> int:
    if method.endswith("awq"):
        return tensor.total_bytes * _UNPACKED_BITS // _ZERO_BITS
    return -tensor.total_bytes if method == "gptq" else 0

"""The header of one safetensors file: eight bytes of its length, then JSON, then the tensors.

Source: the format's own description (README of the safetensors project, 0.6). As its readers do, a
header above 100 MB is refused, and so is a file whose tensors overlap or leave a hole.
"""

from __future__ import annotations

import json
import re
import struct
from typing import Any, NamedTuple

MOST_BYTES = 100_000_000
LENGTH_BYTES = 8
BITS = {
    "BOOL": 8, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6, "F8_E4M3": 8, "F8_E4M3FNUZ": 8,
    "F8_E5M2": 8, "F8_E5M2FNUZ": 8, "F8_E8M0": 8, "I8": 8, "U8": 8, "F16": 16, "BF16": 16,
    "I16": 16, "U16": 16, "F32": 32, "I32": 32, "U32": 32, "F64": 64, "I64": 64, "U64": 64,
    "C64": 64,
}  # fmt: skip
"""Bits of an element by the names that the format has for them."""
_MOST_ELEMENTS = 1 << 62
_DTYPE = re.compile(r"[A-Z][A-Z0-9_]{0,15}")


class Stored(NamedTuple):
    """One tensor: where its bytes begin and end is counted from the header's end."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


def length_of(start: bytes, size: int) -> int:
    """Bytes of the JSON of a file that starts so and has ``size`` bytes. Raises ValueError."""
    if len(start) < LENGTH_BYTES:
        raise ValueError(f"has {len(start)} bytes, no safetensors file")
    length = int(struct.unpack("<Q", start[:LENGTH_BYTES])[0])
    if length > MOST_BYTES:
        raise ValueError(f"has a header of {length:,} bytes, the most is {MOST_BYTES:,}")
    if length + LENGTH_BYTES > size:
        raise ValueError(f"has a header of {length:,} bytes, and {size:,} in all")
    return length


def parse(header: bytes, size: int) -> list[Stored]:
    """The tensors by their place in a file of ``size`` bytes. Raises ValueError with one reason."""
    try:
        entries = json.loads(header.decode(), object_pairs_hook=_once)
    except RecursionError:
        raise ValueError("has a header that is nested too deep") from None
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(f"has a header that is no JSON ({error})") from None
    if not isinstance(entries, dict):
        raise ValueError("has a header that is no JSON object")
    entries.pop("__metadata__", None)
    found = [_stored(name, entry) for name, entry in entries.items()]
    found.sort(key=lambda tensor: (tensor.begin, tensor.end))
    _must_fill(found, size - LENGTH_BYTES - len(header))
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object, none of whose keys stands twice: readers would take different ones."""
    read: dict[str, Any] = {}
    for name, value in pairs:
        if name in read:
            raise ValueError(f"names {name[:200]} twice")
        read[name] = value
    return read


def _stored(name: str, entry: Any) -> Stored:
    if not isinstance(entry, dict):
        raise ValueError(f"has no dict for {name[:200]}")
    dtype, shape, place = entry.get("dtype"), entry.get("shape"), entry.get("data_offsets")
    if not isinstance(dtype, str) or not _DTYPE.fullmatch(dtype):
        raise ValueError(f"has no dtype for {name[:200]}, but {dtype!r:.50}")
    if not isinstance(shape, list) or not _are_counts(shape) or len(shape) > 16:
        raise ValueError(f"has no shape for {name[:200]}, but {shape!r:.50}")
    if not isinstance(place, list) or not _are_counts(place) or not _are_ends(place):
        raise ValueError(f"has no place for {name[:200]}, but data_offsets {place!r:.50}")
    elements = 1
    for dimension in shape:
        elements = min(elements * dimension, _MOST_ELEMENTS)
    held, bits = place[1] - place[0], BITS.get(dtype)
    if bits and -(-elements * bits // 8) != held:
        raise ValueError(f"has {held:,} bytes for {name[:200]}, {dtype} of {list(shape)!r:.50}")
    return Stored(name, dtype, tuple(shape), place[0], place[1])


def _are_counts(value: list[Any]) -> bool:
    return all(type(one) is int and one >= 0 for one in value)


def _are_ends(value: list[int]) -> bool:
    return len(value) == 2 and value[0] <= value[1]


def _must_fill(found: list[Stored], size: int) -> None:
    """Tensors follow one another from the first byte of the data to its last."""
    last = 0
    for tensor in found:
        if tensor.begin < last:
            raise ValueError(f"has {tensor.name[:200]} over the end of another tensor")
        if tensor.begin > last:
            raise ValueError(f"has {tensor.begin - last:,} bytes of no tensor at {last:,}")
        last = tensor.end
    if last > size:
        raise ValueError(f"ends {last - size:,} bytes before its tensors: is it a whole file?")
    if last < size:
        raise ValueError(f"has {size - last:,} bytes behind its tensors")

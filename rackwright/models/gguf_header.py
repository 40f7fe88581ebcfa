"""The header of a GGUF file: its metadata, and what tensors it has. Their data is not read.

Format: ggml's docs/gguf.md, versions 2 and 3, little-endian. A header is somebody else's: every
count is compared with the bytes that are there before anything is made of it, and what sizing never
asks for (the words of a tokenizer, a chat template) is passed over.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path
from struct import Struct, calcsize, unpack
from typing import Any, BinaryIO

from rackwright.errors import Fault, InputError, SpecError
from rackwright.models.ggml_types import GGML_TYPES
from rackwright.schema.gguf_parts import gguf_part

MOST_HEADER_BYTES = 256 * 1024**2
"""Longer than any header: a tokenizer of a million words takes some 40 MB."""
MOST_KEYS, MOST_TENSORS, MOST_ELEMENTS = 65_536, 200_000, 2**50
KEPT_ITEMS, KEPT_CHARACTERS, KEPT_BYTES = 4096, 256, 2**20
"""Longer lists and texts are passed over, and all after so many bytes: of a layer's figures there
are a thousand at most, of a tensor's name 64 characters (GGML_MAX_NAME)."""
MOST_FAULTS = 5
"""Files that are named of a split one that lacks many."""
MOST_DIMENSIONS = 4  # GGML_MAX_DIMS
_SCALARS = dict(zip((*range(8), 10, 11, 12), "BbHhIif?Qqd", strict=True))
_STRING, _ARRAY = 8, 9
_U32, _U64 = Struct("<I"), Struct("<Q")


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """One tensor: its dimensions, the fastest first, and its bytes in the file."""

    name: str
    dimensions: tuple[int, ...]
    type_name: str
    size_bytes: int


@dataclass(frozen=True)
class GgufHeader:
    """Metadata by key and the tensors, of one file or of all parts of a split one."""

    path: Path
    metadata: dict[str, Any]
    tensors: tuple[TensorInfo, ...]
    file_sizes: tuple[int, ...]

    @property
    def file_bytes(self) -> int:
        """Bytes of all files."""
        return sum(self.file_sizes)

    @property
    def tensor_bytes(self) -> int:
        """Bytes of all tensors."""
        return sum(tensor.size_bytes for tensor in self.tensors)

    @property
    def types(self) -> dict[str, int]:
        """Bytes by type of tensor, the most first: what the mixture of quantizations is."""
        found: dict[str, int] = {}
        for tensor in self.tensors:
            found[tensor.type_name] = found.get(tensor.type_name, 0) + tensor.size_bytes
        return dict(sorted(found.items(), key=lambda item: -item[1]))


class _Wrong(InputError):
    """What is wrong with a file, in words that follow its path."""


def read_header(path: Path) -> GgufHeader:
    """The header of the file at ``path``, with those of its other parts where it is split.

    Raises SpecError with the path of each file and the one thing that is wrong with it.
    """
    headers, faults = [], []
    for part in _parts(path):
        try:
            headers.append(_of_file(part))
        except _Wrong as error:
            faults.append(Fault(str(part), str(error)))
        except OSError as error:
            rule = f"cannot be read ({error.strerror or 'no file'})"
            faults.append(Fault(str(part), rule))
    if faults:
        raise SpecError(_few(faults))
    return _joined(path, headers)


def _few(faults: list[Fault]) -> list[Fault]:
    """All of them, unless so many parts are missing that nobody would read it."""
    left = len(faults) - MOST_FAULTS
    more = [Fault(faults[-1].path, f"and {left} more parts like these")] if left > 1 else []
    return [*faults[:MOST_FAULTS], *more] if more else faults


def _parts(path: Path) -> list[Path]:
    """The files of a split one, by the names that llama.cpp gives them; else the file alone."""
    named = gguf_part(path.name)
    if not named:
        return [path]
    if not 1 <= named.number <= named.parts:
        raise SpecError([Fault(str(path), "has a part's number in its name that cannot be")])
    return [path.with_name(named.named(number)) for number in range(1, named.parts + 1)]


def _joined(path: Path, headers: list[GgufHeader]) -> GgufHeader:
    first = headers[0]
    tensors = tuple(tensor for header in headers for tensor in header.tensors)
    said, count = first.metadata.get("split.count", 1), first.metadata.get("split.tensors.count")
    faults = []
    if said != max(1, len(headers)) and (said or len(headers) > 1):
        rule = f"says split.count {said}, its name says {len(headers)}: keep the names of all parts"
        faults.append(Fault(str(first.path), rule))
    elif count is not None and count != len(tensors):
        rule = f"says split.tensors.count {count}, its parts have {len(tensors)}"
        faults.append(Fault(str(first.path), rule))
    if len({tensor.name for tensor in tensors}) != len(tensors):
        faults.append(Fault(str(path), "has two tensors of one name"))
    if faults:
        raise SpecError(faults)
    sizes = tuple(header.file_bytes for header in headers)
    return GgufHeader(path, first.metadata, tensors, sizes)


def _of_file(path: Path) -> GgufHeader:
    with path.open("rb") as content:
        reader = _Reader(content, path.stat().st_size)
        tensors, keys = _start(reader)
        metadata = _metadata(reader, keys)
        infos = tuple(_tensor(reader) for _ in range(tensors))
        _check_data(reader, metadata, infos)
    return GgufHeader(path, metadata, infos, (reader.size,))


def _start(reader: _Reader) -> tuple[int, int]:
    if reader.take(4) != b"GGUF":
        raise _Wrong("is no GGUF file (its first four bytes are not GGUF)")
    version = reader.u32()
    if version & 0xFFFF == 0 and version:
        raise _Wrong("is big-endian, for other machines than these: convert it anew")
    if version not in (2, 3):
        raise _Wrong(f"must be of GGUF version 2 or 3 (got {version})")
    tensors, keys = reader.u64(), reader.u64()
    for what, count, most in (("tensors", tensors, MOST_TENSORS), ("keys", keys, MOST_KEYS)):
        if count > most:
            raise _Wrong(f"says it has {count} {what}, at most {most} are read")
    return tensors, keys


class _Reader:
    """A file from its start, that ends where the file does or a header must."""

    def __init__(self, content: BinaryIO, size: int) -> None:
        self._content, self.size, self.position = content, size, 0
        self._kept = 0

    def keeps(self, count: int) -> bool:
        """Whether so many bytes more are kept of this file's metadata."""
        self._kept += count
        return self._kept <= KEPT_BYTES

    def take(self, count: int) -> bytes:
        self._claim(count)
        data = self._content.read(count)
        if len(data) != count:
            raise _Wrong(f"ends within its header, after {self.size} bytes")
        return data

    def skip(self, count: int) -> None:
        self._claim(count)
        self._content.seek(self.position)

    def _claim(self, count: int) -> None:
        self.position += count
        if self.position > self.size:
            raise _Wrong(f"ends within its header, after {self.size} bytes")
        if self.position > MOST_HEADER_BYTES:
            raise _Wrong(f"has a header of more than {MOST_HEADER_BYTES} bytes")

    def u32(self) -> int:
        return int(_U32.unpack(self.take(4))[0])

    def u64(self) -> int:
        return int(_U64.unpack(self.take(8))[0])

    def text(self) -> str | None:
        """A text; None where it is too long to be kept."""
        length = self.u64()
        if length > KEPT_CHARACTERS:
            self.skip(length)
            return None
        return self.take(length).decode("utf-8", "replace")


def _metadata(reader: _Reader, keys: int) -> dict[str, Any]:
    """By key, none of which may stand twice (gguf_init_from_file, ggml/src/gguf.cpp)."""
    read: dict[str, Any] = {}
    for _ in range(keys):
        key, value = _pair(reader)
        if key in read:
            raise _Wrong(f"has two values of one key ({key!r})")
        read[key] = value
    return read


def _pair(reader: _Reader) -> tuple[str, Any]:
    key = reader.text()
    if not key:
        raise _Wrong("has a metadata key without a name, or a longer one than there are")
    return key, _value(reader, reader.u32(), key)


def _value(reader: _Reader, kind: int, key: str) -> Any:
    if kind == _STRING:
        text = reader.text()
        return text if text is None or reader.keeps(len(text)) else None
    if kind == _ARRAY:
        return _array(reader, key)
    if kind not in _SCALARS:
        raise _Wrong(f"has a value of unknown type {kind} (key {key!r})")
    form = f"<{_SCALARS[kind]}"
    return unpack(form, reader.take(calcsize(form)))[0]


def _array(reader: _Reader, key: str) -> Any:
    """A list of numbers; of what is not kept, how many there are (``Passed``)."""
    kind, count = reader.u32(), reader.u64()
    if kind == _STRING:
        for _ in range(count):  # each takes eight bytes at least, so the file's end is soon there
            reader.skip(reader.u64())
        return Passed(count)
    if kind not in _SCALARS:
        raise _Wrong(f"has a list of unknown type {kind} (key {key!r})")
    size = calcsize(f"<{_SCALARS[kind]}")
    wanted = count <= KEPT_ITEMS and not key.startswith("tokenizer.")
    if not (wanted and reader.keeps(count * size)):
        reader.skip(count * size)
        return Passed(count)
    return [*unpack(f"<{count}{_SCALARS[kind]}", reader.take(count * size))]


@dataclass(frozen=True)
class Passed:
    """A list that was passed over: how long it is."""

    count: int


def _tensor(reader: _Reader) -> TensorInfo:
    name, dimensions = reader.text(), reader.u32()
    if not name or dimensions > MOST_DIMENSIONS:
        raise _Wrong(f"has a tensor without a name, or of {dimensions} dimensions")
    sizes = tuple(reader.u64() for _ in range(dimensions))
    kind, _ = reader.u32(), reader.u64()
    if kind not in GGML_TYPES:
        raise _Wrong(f"has a tensor of unknown type {kind} ({name})")
    known, elements = GGML_TYPES[kind], prod(sizes)
    if not 0 < elements <= MOST_ELEMENTS:
        raise _Wrong(f"has a tensor of {elements} elements ({name})")
    if sizes and sizes[0] % known.block:
        rule = f"rows of {sizes[0]}, no whole blocks of {known.block} as {known.name} has them"
        raise _Wrong(f"has a tensor with {rule} ({name})")
    return TensorInfo(name, sizes, known.name, elements // known.block * known.bytes)


def _check_data(reader: _Reader, metadata: dict[str, Any], infos: tuple[TensorInfo, ...]) -> None:
    """Whether the data that the header speaks of is there: a download may have been cut off."""
    alignment = metadata.get("general.alignment", 32)
    if type(alignment) is not int or not 0 < alignment <= 2**20 or alignment & (alignment - 1):
        raise _Wrong(f"has an impossible general.alignment ({alignment!r})")
    needed = reader.position + sum(info.size_bytes for info in infos)
    if reader.size < needed:
        raise _Wrong(f"is cut off: {reader.size} bytes, its tensors need {needed}")


def layer_numbers(tensors: tuple[TensorInfo, ...]) -> Iterator[tuple[int | None, TensorInfo]]:
    """Each tensor with the number of its layer; None for those of the whole model."""
    for tensor in tensors:
        start, _, rest = tensor.name.partition(".")
        number = rest.partition(".")[0]
        layered = start == "blk" and number.isascii() and number.isdecimal() and len(number) < 6
        yield (int(number) if layered else None), tensor

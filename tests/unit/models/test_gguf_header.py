"""Headers of GGUF files, honest and hostile: one clear error, and little memory."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from struct import pack

import pytest

from rackwright.errors import SpecError
from rackwright.models.gguf_header import Passed, read_header
from tests.samples import gguf_files

METADATA = gguf_files.metadata("llama", 2) | {"tokenizer.ggml.tokens": ["a", "b"]}
TENSORS = gguf_files.tensors(2)


@pytest.mark.parametrize("version", [2, 3])
def test_keys_and_tensors_are_read(version: int, tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    made = gguf_files.header(METADATA, TENSORS, version)
    path.write_bytes(made + bytes(gguf_files.size_of(TENSORS)))
    header = read_header(path)
    assert header.metadata["llama.block_count"] == 2
    assert header.metadata["tokenizer.ggml.tokens"] == Passed(2)
    assert header.tensor_bytes == gguf_files.size_of(TENSORS)


def split(folder: Path, parts: int, count: int, tensors: int) -> Path:
    names = [*TENSORS]
    for number in range(parts):
        more = {"split.no": number, "split.count": count, "split.tensors.count": tensors}
        own = {name: TENSORS[name] for name in names[number::parts]}
        metadata = METADATA | more if number == 0 else more
        gguf_files.write(folder / f"m-{number + 1:05}-of-{parts:05}.gguf", metadata, own)
    return folder / f"m-00001-of-{parts:05}.gguf"


def test_the_parts_of_a_split_file_are_one_model(tmp_path: Path) -> None:
    header = read_header(split(tmp_path, 3, 3, len(TENSORS)))
    assert {tensor.name for tensor in header.tensors} == {*TENSORS}
    assert header.file_bytes == sum(path.stat().st_size for path in tmp_path.iterdir())


def test_a_part_that_is_missing_is_named(tmp_path: Path) -> None:
    first = split(tmp_path, 3, 3, len(TENSORS))
    (tmp_path / "m-00002-of-00003.gguf").unlink()
    with pytest.raises(SpecError, match=r"m-00002-of-00003\.gguf: cannot be read"):
        read_header(first)
    first.unlink()
    with pytest.raises(SpecError, match=r"m-00001-of-00003(.|\n)*m-00002-of-00003"):
        read_header(first)
    with pytest.raises(SpecError, match=r"and 94 more parts like these"):
        read_header(tmp_path / "m-00001-of-00099.gguf")


@pytest.mark.parametrize(
    ("count", "tensors", "rule"), [(4, 6, r"split\.count 4"), (3, 99, r"split\.tensors\.count 99")]
)
def test_parts_that_contradict_one_another_are_refused(
    count: int, tensors: int, rule: str, tmp_path: Path
) -> None:
    with pytest.raises(SpecError, match=rule):
        read_header(split(tmp_path, 3, count, tensors))


def test_a_part_alone_under_another_name_is_refused(tmp_path: Path) -> None:
    alone = split(tmp_path, 3, 3, len(TENSORS)).rename(tmp_path / "alone.gguf")
    with pytest.raises(SpecError, match=r"split\.count 3, its name says 1"):
        read_header(alone)


START = b"GGUF" + pack("<I", 3)
HUGE = 2**63
HOSTILE = {
    "empty": (b"", "ends within its header"),
    "another kind": (b"PK\3\4" + bytes(64), "is no GGUF file"),
    "big-endian": (b"GGUF" + pack(">I", 3) + bytes(64), "is big-endian"),
    "version 1": (b"GGUF" + pack("<I", 1) + bytes(64), "version 2 or 3"),
    "many tensors": (START + pack("<QQ", HUGE, 0), f"says it has {HUGE} tensors"),
    "many keys": (START + pack("<QQ", 0, HUGE), f"says it has {HUGE} keys"),
    "long key": (START + pack("<QQQ", 0, 1, HUGE), "ends within its header"),
    "long list": (
        START + pack("<QQ", 0, 1) + gguf_files.text("k") + pack("<IIQ", 9, 10, HUGE),
        "ends within its header",
    ),
    "long list of texts": (
        START + pack("<QQ", 0, 1) + gguf_files.text("k") + pack("<IIQ", 9, 8, HUGE) + bytes(800),
        "ends within its header",
    ),
    "list of lists": (
        START + pack("<QQ", 0, 1) + gguf_files.text("k") + pack("<IIQ", 9, 9, 1),
        "list of unknown type 9",
    ),
    "a key twice": (
        START + pack("<QQ", 0, 2) + 2 * (gguf_files.text("k") + pack("<II", 4, 7)),
        r"has two values of one key \('k'\)",
    ),
    "an alignment of three": (
        gguf_files.header({"general.alignment": 3}, {}),
        r"has an impossible general\.alignment \(3\)",
    ),
    "unknown value": (
        START + pack("<QQ", 0, 1) + gguf_files.text("k") + pack("<I", 99),
        "unknown type 99",
    ),
    "unknown tensor": (
        START + pack("<QQ", 1, 0) + gguf_files.text("t") + pack("<IQIQ", 1, 32, 99, 0),
        "tensor of unknown type 99",
    ),
    "many dimensions": (
        START + pack("<QQ", 1, 0) + gguf_files.text("t") + pack("<I", 2**31),
        "dimensions",
    ),
    "huge tensor": (
        START + pack("<QQ", 1, 0) + gguf_files.text("t") + pack("<IQQIQ", 2, HUGE, HUGE, 0, 0),
        "elements",
    ),
    "half a block": (
        START + pack("<QQ", 1, 0) + gguf_files.text("t") + pack("<IQIQ", 1, 100, 12, 0),
        "no whole blocks of 256",
    ),
    "no data": (gguf_files.header(METADATA, TENSORS), "is cut off"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_header_is_one_clear_error(name: str, tmp_path: Path) -> None:
    content, rule = HOSTILE[name]
    path = tmp_path / "m.gguf"
    path.write_bytes(content)
    tracemalloc.start()
    with pytest.raises(SpecError, match=rule) as refused:
        read_header(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(refused.value.faults) == 1
    assert peak < 2 * 1024**2


def test_wherever_a_file_ends_it_is_an_error_and_no_crash(tmp_path: Path) -> None:
    whole = gguf_files.header(METADATA, TENSORS)
    path = tmp_path / "m.gguf"
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(SpecError):
            read_header(path)


@pytest.mark.parametrize("name", ["m-00004-of-00003.gguf", "m-00000-of-00000.gguf"])
def test_a_name_of_a_part_that_cannot_be_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="that cannot be"):
        read_header(tmp_path / name)

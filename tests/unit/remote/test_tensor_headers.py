"""Headers of safetensors files in a folder: what is read, and each fault in one clear line."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rackwright.remote.tensor_headers import main
from rackwright.remote.tensors.header import MOST_BYTES
from tests.samples.safetensors import file_of, header, model_files, raw

A: dict[str, Any] = {"a": ("BF16", [2, 3])}
Make = Callable[[], bytes]


def entry(**changes: Any) -> Make:
    made = {**header(A)["a"], **changes}
    return lambda: raw(json.dumps({"a": made}).encode(), 12)


def two(first: list[int], second: list[int], data: int) -> Make:
    entries = {
        name: {"dtype": "U8", "shape": [place[1] - place[0]], "data_offsets": place}
        for name, place in (("a", first), ("b", second))
    }
    return lambda: raw(json.dumps(entries).encode(), data)


HOSTILE: dict[str, tuple[Make, str]] = {
    "nothing": (lambda: b"", "has 0 bytes, no safetensors file"),
    "half a length": (lambda: b"1234", "has 4 bytes, no safetensors file"),
    "longer than the file": (
        lambda: struct.pack("<Q", 5000) + b"{}",
        "has a header of 5,000 bytes, and 10 in all",
    ),
    "above 100 MB": (
        lambda: struct.pack("<Q", MOST_BYTES + 1) + b"{}",
        "has a header of 100,000,001 bytes, the most is 100,000,000",
    ),
    "the largest length": (lambda: b"\xff" * 8, "has a header of 18,446,744,073,709,551,615 by"),
    "no JSON": (lambda: raw(b"{not", 0), "has a header that is no JSON"),
    "no UTF-8": (lambda: raw(b'{"\xff":1}', 0), "has a header that is no JSON"),
    "no object": (lambda: raw(b"[]", 0), "has a header that is no JSON object"),
    "nested without end": (lambda: raw(b"[" * 200_000, 0), "has a header that is nested too deep"),
    "a name twice": (lambda: raw(b'{"a": {}, "a": {}}', 0), "names a twice"),
    "no dict": (lambda: raw(b'{"a": 3}', 0), "has no dict for a"),
    "no dtype": (entry(dtype=7), "has no dtype for a, but 7"),
    "a dtype that prints": (entry(dtype="\x1b[2J"), "has no dtype for a, but '\\x1b[2J'"),
    "negative shape": (entry(shape=[-2, -3]), "has no shape for a, but [-2, -3]"),
    "shape of fractions": (entry(shape=[2.0, 3]), "has no shape for a, but [2.0, 3]"),
    "negative offsets": (entry(data_offsets=[-12, 0]), "has no place for a, but data_offsets [-12"),
    "an end before its begin": (entry(data_offsets=[12, 0]), "has no place for a, but data_off"),
    "three offsets": (entry(data_offsets=[0, 6, 12]), "has no place for a, but data_offsets [0"),
    "more than its shape": (entry(shape=[2, 2]), "has 12 bytes for a, BF16 of [2, 2]"),
    "a shape beyond all": (entry(shape=[2**62, 2**62]), "has 12 bytes for a, BF16 of [4611"),
    "overlap": (two([0, 8], [4, 12], 12), "has b over the end of another tensor"),
    "a hole": (two([0, 4], [8, 12], 12), "has 4 bytes of no tensor at 4"),
    "cut off": (two([0, 4], [4, 12], 5), "ends 7 bytes before its tensors: is it a whole file?"),
    "more behind": (two([0, 4], [4, 12], 20), "has 8 bytes behind its tensors"),
}


@pytest.mark.parametrize(("make", "words"), HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_file_is_one_clear_fault(make: Make, words: str, tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(make())
    answer = main(str(tmp_path))
    assert list(answer) == ["error"]
    assert answer["error"].startswith(f"{tmp_path}: model.safetensors {words}")


def put(folder: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        (folder / name).write_bytes(content)


def test_names_shapes_and_bytes_are_read_and_experts_folded(tmp_path: Path) -> None:
    expert = "model.layers.0.mlp.experts.{}.up_proj.weight"
    shards = {
        "model-00001-of-00002.safetensors": {
            expert.format(0): ("BF16", [4, 2]),
            expert.format(1): ("BF16", [4, 2]),
        },
        "model-00002-of-00002.safetensors": {expert.format(2): ("BF16", [4, 2]), **A},
    }
    put(tmp_path, model_files(shards))
    (tmp_path / "config.json").write_text('{"hidden_size": 2}')
    answer = main(str(tmp_path))
    assert answer["tensors"] == [
        ("a", "BF16", [2, 3], 12, 1),
        (expert.format("*"), "BF16", [4, 2], 16, 3),
    ]
    assert [name for name, _ in answer["files"]] == sorted(shards)
    assert answer["config"] == {"hidden_size": 2}
    assert answer["hf_quant_config"] is None


def test_a_name_in_two_files_is_a_fault(tmp_path: Path) -> None:
    put(tmp_path, {"a.safetensors": file_of(A), "b.safetensors": file_of(A)})
    assert main(str(tmp_path)) == {
        "error": f"{tmp_path}: a stands in a.safetensors and in b.safetensors"
    }


def test_a_file_that_the_index_names_and_that_is_absent_is_a_fault(tmp_path: Path) -> None:
    files = model_files({"one.safetensors": A})
    del files["one.safetensors"]
    put(tmp_path, files)
    words = "one.safetensors cannot be read (No such file or directory)"
    assert main(str(tmp_path)) == {"error": f"{tmp_path}: {words}"}


def test_every_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    put(tmp_path, {f"{n}.safetensors": b"" for n in range(7)} | {"x.safetensors": file_of(A)})
    said = "; ".join(f"{n}.safetensors has 0 bytes, no safetensors file" for n in range(5))
    assert main(str(tmp_path)) == {"error": f"{tmp_path}: {said}; and 2 more files"}


NAME = "model.safetensors.index.json"
INDEXES = {
    b"": f"has no JSON in {NAME}: is it a whole file?",
    b'{"weight_map": {"a": "x.safe': f"has no JSON in {NAME}: is it a whole file?",
    b"[" * 100_000: f"has no JSON in {NAME}: is it a whole file?",
    b"[]": f"has no dict as weight_map in {NAME}, but None",
    b"{}": f"has no dict as weight_map in {NAME}, but None",
    b'{"weight_map": 3}': f"has no dict as weight_map in {NAME}, but 3",
    b'{"weight_map": {}}': f"names 0 files in {NAME}, 1 to 2000 are read",
    b'{"weight_map": {"a": 3}}': f"names no file beside {NAME} for a: 3",
    b'{"weight_map": {"b": "x", "a": "../../p"}}': f"names no file beside {NAME} for a: '../../p'",
    b'{"weight_map": {"a": "/etc/passwd"}}': f"names no file beside {NAME} for a: '/etc/passwd'",
    b'{"weight_map": {"a": ["x"]}}': f"names no file beside {NAME} for a: ['x']",
}


@pytest.mark.parametrize("index", INDEXES, ids=lambda index: index[:40].decode())
def test_an_index_that_is_none_is_one_fault(index: bytes, tmp_path: Path) -> None:
    put(tmp_path, {NAME: index})
    assert main(str(tmp_path)) == {"error": f"{tmp_path}: {INDEXES[index]}"}


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "model.safetensors")
    assert "no regular file" in main(str(tmp_path))["error"]


@pytest.mark.parametrize("path", ["absent", ""])
def test_a_folder_without_weights_says_so(path: str, tmp_path: Path) -> None:
    words = {"absent": "No such file or directory", "": "has no safetensors files"}
    assert main(str(tmp_path / path))["error"].endswith(f": {words[path]}")

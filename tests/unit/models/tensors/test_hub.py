"""Tensor headers of a hub: ranges, redirects, refusals, garbage, and what is kept of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rackwright.errors import SpecError
from rackwright.models.tensors import hub as asking
from rackwright.models.tensors.cache import cached
from rackwright.models.tensors.hub import hub_headers
from rackwright.own_cache import cache_folder
from tests.samples.safetensors import file_of, model_files, raw

COMMIT = "0123456789abcdef0123456789abcdef01234567"
A: dict[str, Any] = {"a.weight": ("BF16", [64, 64])}
B: dict[str, Any] = {"b.weight": ("F8_E4M3", [64, 64])}
SHARDS = {"model-00001-of-00002.safetensors": A, "model-00002-of-00002.safetensors": B}
INDEX, FIRST, SECOND = "model.safetensors.index.json", *SHARDS


def fault(repo: str = "owner/model") -> str:
    with pytest.raises(SpecError) as caught:
        hub_headers(repo)
    (only,) = caught.value.faults
    return str(only)


def names(hub: Any) -> list[str]:
    return sorted(name for name, _, _ in hub.asked)


@pytest.mark.parametrize("ranges", [True, False], ids=["ranges", "none"])
def test_shards_are_read_by_the_index(ranges: bool, hub: Any) -> None:
    hub.files, hub.ranges = model_files(SHARDS), ranges
    found = hub_headers("owner/model")
    assert [(t.name, t.dtype, t.shape, t.size_bytes) for t in found.tensors] == [
        ("a.weight", "BF16", (64, 64), 8192),
        ("b.weight", "F8_E4M3", (64, 64), 4096),
    ]
    assert dict(found.files) == {name: len(hub.files[name]) for name in SHARDS}
    assert (found.repo, found.revision) == ("owner/model", COMMIT)
    assert names(hub) == [FIRST, SECOND, INDEX]


def test_one_file_without_an_index_is_read(hub: Any) -> None:
    hub.files = {"model.safetensors": file_of(A)}
    assert hub_headers("owner/model").total_bytes == 8192


def test_a_header_that_is_longer_than_the_first_range_is_asked_for_whole(
    hub: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "FIRST_BYTES", 32)
    hub.files = model_files(SHARDS)
    assert hub_headers("owner/model").total_bytes == 12288
    assert names(hub).count(FIRST) == 2


def test_a_server_that_takes_no_ranges_is_left_after_the_header(hub: Any) -> None:
    hub.files, hub.ranges = {"model.safetensors": file_of({"a": ("U8", [200 << 20])})}, False
    assert hub_headers("owner/model").total_bytes == 200 << 20
    assert hub.sent_bytes < 100 << 20


def test_where_the_hub_sends_on_to_no_token_follows(
    hubs: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    hub, store = hubs
    hub.store, store.commit = store.url, ""
    hub.files = store.files = model_files(SHARDS)
    found = hub_headers("owner/model")
    assert found.revision == COMMIT and found.total_bytes == 12288
    assert {token for _, _, token in hub.asked} == {"Bearer hf_secret"}
    assert {token for _, _, token in store.asked} == {None}
    assert all(asked for _, asked, _ in store.asked)
    kept = "".join(file.read_text() for file in cache_folder("tensors").rglob("*.json"))
    assert kept and "hf_secret" not in kept


def test_what_is_kept_of_a_commit_is_not_asked_again(hub: Any) -> None:
    hub.files = model_files(SHARDS)
    first = hub_headers("owner/model")
    hub.asked.clear()
    assert hub_headers("owner/model", COMMIT).tensors == first.tensors
    assert hub.asked == []
    assert hub_headers("owner/model").tensors == first.tensors
    assert names(hub) == [INDEX]  # a branch moves: its commit is asked for, its files are not


def test_a_kept_file_that_is_broken_is_asked_for_again(hub: Any) -> None:
    hub.files = model_files(SHARDS)
    hub_headers("owner/model")
    (kept,) = cache_folder("tensors").rglob("*.json")
    kept.write_text(kept.read_text()[:100])
    assert cached("owner/model", COMMIT) is None
    assert hub_headers("owner/model", COMMIT).total_bytes == 12288
    assert cached("owner/model", COMMIT)


def test_a_cache_that_cannot_be_written_loses_nothing(
    hub: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    hub.files = model_files(SHARDS)
    assert hub_headers("owner/model").total_bytes == 12288


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ({INDEX: 401}, f"{INDEX}: HTTP 401, set HF_TOKEN if it is gated"),
        ({INDEX: 403}, f"{INDEX}: HTTP 403, set HF_TOKEN if it is gated"),
        ({INDEX: 404}, "model.safetensors: HTTP 404"),
        ({INDEX: 500}, f"{INDEX}: HTTP 500"),
        ({SECOND: 404}, f"{SECOND}: HTTP 404"),
        ({FIRST: 401, SECOND: 404}, f"{FIRST}: HTTP 401, set HF_TOKEN if it is gated"),
    ],
    ids=str,
)
def test_a_refusal_is_one_fault(status: dict[str, int], words: str, hub: Any) -> None:
    hub.files, hub.status = model_files(SHARDS), status
    said = f"model: has no tensor headers that could be read: {words} (got 'owner/model')"
    assert fault() == said
    assert not list(cache_folder("tensors").rglob("*.json"))


GARBAGE: dict[str, tuple[bytes, str]] = {
    "a page": (b"<html>" + b" " * 4000, "has a header of"),
    "nothing": (b"", "has 0 bytes, no safetensors file"),
    "no JSON": (raw(b"{", 0), "has a header that is no JSON"),
    "cut off": (file_of(A)[:-1], "ends 1 bytes before its tensors: is it a whole file?"),
    "the other's name": (file_of(A), f"a.weight stands in {FIRST} and in {SECOND}"),
}


@pytest.mark.parametrize(("content", "words"), GARBAGE.values(), ids=GARBAGE)
def test_garbage_is_one_fault(content: bytes, words: str, hub: Any) -> None:
    hub.files = model_files(SHARDS)
    hub.files[SECOND], hub.ranges = content, bool(content)
    assert words in fault()


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ({"Content-Range": "bytes 0-9/*"}, "is sent without its size"),
        ({"Content-Range": "bytes 7-9/900"}, "is sent without its size"),
        ({"Content-Range": f"bytes 0-9/{'9' * 5000}"}, "is sent without its size"),
        ({"Content-Encoding": "gzip"}, "is sent as gzip"),
    ],
    ids=str,
)
def test_an_answer_that_says_no_size_is_one_fault(
    headers: dict[str, str], words: str, hub: Any
) -> None:
    hub.files, hub.headers = {"model.safetensors": file_of(A)}, headers
    hub.status = {INDEX: 404}
    assert words in fault()


@pytest.mark.parametrize("index", [b"", b"{}", b'{"weight_map": {"a": "../x"}}', b"[" * 200_000])
def test_an_index_that_is_none_is_one_fault(index: bytes, hub: Any) -> None:
    hub.files = {INDEX: index}
    hub.ranges = bool(index)
    assert INDEX in fault()


def test_an_index_of_files_elsewhere_asks_for_none(hub: Any) -> None:
    hub.files = {INDEX: json.dumps({"weight_map": {"a": "../../other/secret"}}).encode()}
    assert "names no file beside" in fault()
    assert names(hub) == [INDEX]


def test_a_hub_that_is_not_there_is_one_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")
    assert "has no tensor headers that could be read: " in fault()


def test_one_that_is_silent_is_given_up(hub: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "DEADLINE_S", 0.0)
    hub.files = model_files(SHARDS)
    assert "it was not there within 0 s" in fault()

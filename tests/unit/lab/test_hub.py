"""The hub's stand-in answers as the hub does, where `hf download` asks it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from lab.hub import serve
from lab.hub.answers import byte_range

REVISION = "0123456789abcdef0123456789abcdef01234567"
CONFIG, WEIGHTS = b'{"a": 1}\n', bytes(range(256)) * 1000
SHA256 = hashlib.sha256(WEIGHTS).hexdigest()
FILES = f"/lab/tiny/resolve/{REVISION}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("repo")
    (folder / "config.json").write_bytes(CONFIG)
    (folder / "nested").mkdir()
    (folder / "nested/model.safetensors").write_bytes(WEIGHTS)
    return folder


@pytest.fixture(scope="module")
def hub(folder: Path) -> Iterator[httpx.Client]:
    with serve({"lab/tiny": folder}, REVISION, "127.0.0.1") as url, _client(url) as client:
        yield client


@pytest.fixture(scope="module")
def gated(folder: Path) -> Iterator[httpx.Client]:
    served = serve({"lab/tiny": folder}, REVISION, "127.0.0.1", token="hf_right")
    with served as url, _client(url) as client:
        yield client


def _client(url: str) -> httpx.Client:
    return httpx.Client(base_url=url, trust_env=False)


@pytest.mark.parametrize("path", ["", f"/revision/{REVISION}", "/revision/main"])
def test_info_names_the_commit_and_the_files(hub: httpx.Client, path: str) -> None:
    info = hub.get(f"/api/models/lab/tiny{path}").json()
    assert (info["sha"], info["gated"]) == (REVISION, False)
    assert [s["rfilename"] for s in info["siblings"]] == ["config.json", "nested/model.safetensors"]


def test_tree_gives_git_ids_and_the_sha256_of_weights(hub: httpx.Client) -> None:
    config, weights = hub.get(f"/api/models/lab/tiny/tree/{REVISION}?recursive=true").json()
    assert config == {
        "type": "file",
        "oid": "cb5b2f69babc53f9145b45ad20b9a075d48717ef",  # git hash-object
        "size": len(CONFIG),
        "path": "config.json",
    }
    assert weights["lfs"] == {"oid": SHA256, "size": len(WEIGHTS), "pointerSize": 131}


@pytest.mark.parametrize("method", ["HEAD", "GET"])
def test_weights_come_with_the_headers_clients_check(hub: httpx.Client, method: str) -> None:
    answer = hub.request(method, f"{FILES}/nested/model.safetensors")
    assert answer.status_code == 200
    assert answer.content == (WEIGHTS if method == "GET" else b"")
    assert answer.headers["X-Repo-Commit"] == REVISION
    assert answer.headers["ETag"] == answer.headers["X-Linked-ETag"] == f'"{SHA256}"'
    assert answer.headers["Content-Length"] == answer.headers["X-Linked-Size"] == str(len(WEIGHTS))


def test_small_files_have_their_git_id_as_etag(hub: httpx.Client) -> None:
    listed = hub.get(f"/api/models/lab/tiny/tree/{REVISION}").json()[0]
    answer = hub.get(f"{FILES}/config.json")
    assert answer.content == CONFIG
    assert answer.headers["ETag"] == f'"{listed["oid"]}"'
    assert "X-Linked-ETag" not in answer.headers


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        ("bytes=0-", 0, 256000),
        ("bytes=255990-", 255990, 256000),
        ("bytes=5-9", 5, 10),
        ("bytes=255999-999999", 255999, 256000),
    ],
)
def test_a_range_gives_the_rest(hub: httpx.Client, asked: str, start: int, end: int) -> None:
    answer = hub.get(f"{FILES}/nested/model.safetensors", headers={"Range": asked})
    assert answer.status_code == 206
    assert answer.content == WEIGHTS[start:end]
    assert answer.headers["Content-Range"] == f"bytes {start}-{end - 1}/{len(WEIGHTS)}"


def test_a_range_beyond_the_end_is_refused(hub: httpx.Client) -> None:
    beyond = {"Range": f"bytes={len(WEIGHTS)}-"}
    assert hub.get(f"{FILES}/nested/model.safetensors", headers=beyond).status_code == 416


@pytest.mark.parametrize("header", ["", "bytes=-5", "items=0-5", "bytes=x-", "bytes"])
def test_ranges_that_are_not_understood_give_the_whole(header: str) -> None:
    assert byte_range(header, 10) is None


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/api/models/lab/tiny/revision/" + "f" * 40, 404, "RevisionNotFound"),
        ("/api/models/lab/tiny/tree/" + "f" * 40, 404, "RevisionNotFound"),
        ("/lab/tiny/resolve/" + "f" * 40 + "/config.json", 404, "RevisionNotFound"),
        (f"{FILES}/none.json", 404, "EntryNotFound"),
        (f"{FILES}/../../../../etc/passwd", 404, None),
        (f"{FILES}/%2e%2e/%2e%2e/config.json", 404, "EntryNotFound"),
        ("/api/models/lab/none", 401, "RepoNotFound"),
        (f"/lab/none/resolve/{REVISION}/config.json", 401, "RepoNotFound"),
        ("/api/whoami-v2", 404, None),
    ],
)
def test_refusals_carry_the_hubs_codes(
    hub: httpx.Client, path: str, status: int, code: str | None
) -> None:
    for method in ("HEAD", "GET"):
        answer = hub.request(method, path)
        assert (answer.status_code, answer.headers.get("X-Error-Code")) == (status, code)
    assert answer.json() == {"error": answer.headers["X-Error-Message"]}


def test_gated_files_are_listed_to_anyone_and_given_to_who_bears_the_token(
    gated: httpx.Client,
) -> None:
    assert gated.get("/api/models/lab/tiny").json()["gated"] == "manual"
    assert gated.get(f"/api/models/lab/tiny/tree/{REVISION}").status_code == 200
    bearer = {"Authorization": "Bearer hf_right"}
    assert gated.get(f"{FILES}/config.json", headers=bearer).content == CONFIG


def test_gated_files_are_refused_in_the_hubs_words(gated: httpx.Client) -> None:
    stranger = gated.get(f"{FILES}/config.json")
    assert (stranger.status_code, stranger.headers["X-Error-Code"]) == (401, "GatedRepo")
    wrong = gated.get(f"{FILES}/config.json", headers={"Authorization": "Bearer hf_wrong"})
    assert (wrong.status_code, wrong.headers.get("X-Error-Code")) == (401, None)
    assert wrong.json()["error"] == "Invalid credentials in Authorization header"


def test_requests_are_told_and_a_cut_off_one_leaves_the_hub_serving(folder: Path) -> None:
    told: list[str] = []
    served = serve(
        {"lab/tiny": folder}, REVISION, "127.0.0.1", bytes_per_s=100_000, on_request=told.append
    )
    with served as url, _client(url) as client:
        with client.stream("GET", f"{FILES}/nested/model.safetensors") as answer:
            start = len(next(answer.iter_raw()))
        assert 0 < start < len(WEIGHTS)
        last = {"Range": f"bytes={len(WEIGHTS) - 3}-"}
        rest = client.get(f"{FILES}/nested/model.safetensors", headers=last)
    assert rest.content == WEIGHTS[-3:]
    weights = f"GET {FILES}/nested/model.safetensors"
    assert told == [weights, f"{weights} bytes=255997-"]

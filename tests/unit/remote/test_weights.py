"""Weights on a host, with a stand-in for the downloader."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import pwd
import tempfile
import threading
from collections.abc import Iterator
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from rackwright.remote import weights
from rackwright.remote.downloads.repository import problems
from rackwright.remote.host.as_user import as_user

REVISION = "0e9e39f249a16976918f6564b8830bc894c89659"
HF = """#!/bin/sh
echo "$*" >> @/said
echo "uid $(id -u) home $HOME token $HF_TOKEN" >> @/said
ls -A . >> @/found
[ ! -e @/during ] || sh @/during
touch first-part
[ ! -e @/fails ] || { echo "connection reset"; exit 1; }
cp -r @/repo/. .
"""

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="changes user, which only root can")


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that other users may enter, with a repository and a downloader."""
    with tempfile.TemporaryDirectory(prefix="rackwright-test-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "hf").write_text(HF.replace("@", name))
        (folder / "hf").chmod(0o755)
        for file in ("said", "found"):
            (folder / file).touch()
            (folder / file).chmod(0o666)
        (folder / "state").mkdir()
        model(folder / "repo")
        monkeypatch.setattr(weights, "LOCK", folder / "lock")
        yield folder


def model(folder: Path, *files: str) -> Path:
    folder.mkdir(parents=True)
    for name in files or ("config.json", "model.safetensors"):
        (folder / name).write_text("{}")
    return folder


def target(fake: Path) -> Path:
    return fake / "state/models/org--name" / REVISION


def partial(fake: Path) -> Path:
    return target(fake).with_name(f"{REVISION}.partial")


def request(fake: Path, do: str = "fetch", **more: Any) -> dict[str, Any]:
    wanted = {
        "kind": "folder",
        "path": str(target(fake)),
        "repo": "org/name",
        "revision": REVISION,
        "hf": f"{fake}/hf",
    }
    return {
        "do": do,
        "models": [{**wanted, **more}],
        "stamps": f"{fake}/stamps",
        "below": f"{fake}/state",
        "user": "nobody",
        "environment": {"HF_TOKEN": "hf_s3cret"},
    }


def missing(fake: Path) -> Any:
    return weights.main(request(fake, "observe"))


def test_a_download_is_put_in_place_when_it_is_whole(fake: Path) -> None:
    assert missing(fake) == {str(target(fake)): f"{target(fake)} has no config.json"}
    assert weights.main(request(fake)) == "weights of 1 model(s) are there"
    assert missing(fake) == {}
    assert not partial(fake).exists()
    nobody = pwd.getpwnam("nobody").pw_uid
    assert target(fake).stat().st_uid == nobody
    command, environment = (fake / "said").read_text().splitlines()
    assert command == f"download org/name --revision {REVISION} --local-dir {partial(fake)}"
    assert environment == f"uid {nobody} home {target(fake).parent} token hf_s3cret"


def test_the_second_time_nothing_is_downloaded(fake: Path) -> None:
    weights.main(request(fake))
    before = (fake / "said").read_text()
    weights.main(request(fake))
    assert (fake / "said").read_text() == before


def test_a_download_that_fails_is_resumed_by_the_next(fake: Path) -> None:
    (fake / "fails").touch()
    with pytest.raises(SystemExit, match="download of org/name@0e9e39f249a1 failed: see above"):
        weights.main(request(fake))
    assert (partial(fake) / "first-part").exists() and not target(fake).exists()
    assert missing(fake)
    (fake / "fails").unlink()
    weights.main(request(fake))
    assert (fake / "found").read_text() == "first-part\n"
    assert missing(fake) == {}


def test_a_folder_that_is_broken_is_repaired_not_fetched_anew(fake: Path) -> None:
    for path in (folder := model(target(fake), "config.json", "large-part"), *folder.iterdir()):
        os.chown(path, pwd.getpwnam("nobody").pw_uid, -1)
    weights.main(request(fake))
    assert "large-part" in (fake / "found").read_text().split()
    assert missing(fake) == {} and (target(fake) / "large-part").exists()
    assert not partial(fake).exists()


def test_a_broken_folder_of_somebody_else_is_set_aside(fake: Path) -> None:
    model(target(fake), "config.json", "precious")
    weights.main(request(fake))
    assert (fake / "found").read_text() == ""
    (aside,) = target(fake).parent.glob("*.broken-*")
    assert (aside / "precious").stat().st_uid == 0


@pytest.mark.parametrize("kind", ["folder", "file", "dangling link", "link"])
def test_what_is_in_the_way_is_set_aside_and_nothing_of_it_is_lost(
    fake: Path, kind: str, capfd: pytest.CaptureFixture[str]
) -> None:
    model(partial(fake), "first-part")
    elsewhere = model(fake / "elsewhere", "precious")
    if kind == "folder":
        model(target(fake), "precious")
    elif kind == "file":
        target(fake).write_text("precious")
    else:
        target(fake).symlink_to(elsewhere if kind == "link" else "/nowhere")
    weights.main(request(fake))
    assert missing(fake) == {} and not partial(fake).exists()
    (aside,) = target(fake).parent.glob("*.broken-*")
    assert aside.name in capfd.readouterr().err
    if kind != "dangling link":
        assert "precious" in (next(aside.iterdir()).name if aside.is_dir() else aside.read_text())
    assert aside.is_symlink() == ("link" in kind)
    assert (elsewhere / "precious").exists()


def test_a_link_without_a_download_is_not_downloaded_into(fake: Path) -> None:
    elsewhere = model(fake / "elsewhere", "precious")
    target(fake).parent.mkdir(parents=True)
    target(fake).symlink_to(elsewhere)
    weights.main(request(fake))
    assert [path.name for path in elsewhere.iterdir()] == ["precious"]
    assert target(fake).is_dir() and not target(fake).is_symlink()


def during(fake: Path, script: str) -> None:
    """What somebody else does while the download runs."""
    model(fake / "theirs")
    target(fake).parent.mkdir(parents=True)
    target(fake).parent.chmod(0o777)
    (fake / "during").write_text(script.replace("@", str(fake)).replace("%", str(target(fake))))


def test_a_whole_model_that_appears_meanwhile_is_kept(
    fake: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    during(fake, "cp -r @/theirs %; echo theirs > %/config.json")
    weights.main(request(fake))
    assert (target(fake) / "config.json").read_text() == "theirs\n"
    assert missing(fake) == {}
    assert f"{partial(fake)} can be removed" in capfd.readouterr().err
    assert partial(fake).exists()


def test_something_broken_that_appears_meanwhile_is_not_touched(fake: Path) -> None:
    during(fake, "mkdir %; echo theirs > %/half")
    with pytest.raises(SystemExit, match="appeared during its download"):
        weights.main(request(fake))
    assert (target(fake) / "half").read_text() == "theirs\n"
    assert (partial(fake) / "model.safetensors").exists()


def test_a_repository_without_weights_never_gets_in_place(fake: Path) -> None:
    (fake / "repo/model.safetensors").unlink()
    for _ in range(2):
        with pytest.raises(SystemExit, match=r"not a model that can be served: .* has no weights"):
            weights.main(request(fake))
        assert not target(fake).exists()


def test_the_operators_own_folder_is_only_looked_at(fake: Path) -> None:
    own = fake / "own"
    with pytest.raises(SystemExit, match=f"{own} has no config.json"):
        weights.main(request(fake, path=str(own), repo=None, revision=None))
    assert not own.exists() and not (fake / "said").read_text()
    model(own)
    weights.main(request(fake, path=str(own), repo=None, revision=None))
    assert not (fake / "said").read_text()


def test_root_follows_no_link_of_the_engines_user(fake: Path) -> None:
    closed = fake / "closed"
    closed.mkdir()
    partial(fake).parent.mkdir(parents=True)
    partial(fake).symlink_to(closed)
    with pytest.raises((SystemExit, OSError)):
        weights.main(request(fake))
    assert closed.stat().st_uid == 0
    assert not list(closed.iterdir())


@pytest.mark.parametrize("place", ["models", "models/org--name"])
@pytest.mark.parametrize("kind", ["folder", "file"])
def test_root_makes_nothing_beyond_a_link_in_a_folder_of_the_engines_user(
    fake: Path, place: str, kind: str
) -> None:
    closed, link = fake / "closed", fake / "state" / place
    closed.mkdir()
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(closed)
    with pytest.raises(SystemExit, match=r"Not a directory|Too many levels"):
        weights.main(request(fake) if kind == "folder" else file_request(fake))
    assert closed.stat().st_uid == 0 and not list(closed.iterdir())


def test_a_folder_of_a_third_user_is_left_alone(fake: Path) -> None:
    (fake / "state/models").mkdir()
    os.chown(fake / "state/models", 1000, 1000)
    with pytest.raises(SystemExit, match="models is another user's, and stays so"):
        weights.main(request(fake))
    assert (fake / "state/models").stat().st_uid == 1000
    assert not list((fake / "state/models").iterdir())


def test_root_removes_nothing_beyond_a_link_in_a_download(fake: Path) -> None:
    closed = fake / "closed"
    closed.mkdir()
    (closed / "theirs.incomplete").touch()
    partial(fake).mkdir(parents=True)
    (partial(fake) / ".cache").symlink_to(closed)
    with suppress(SystemExit):
        weights.main(request(fake))
    assert (closed / "theirs.incomplete").exists()


def test_a_token_is_in_no_word_of_a_library(fake: Path) -> None:
    def fails() -> None:
        raise ValueError("Invalid header value b'Bearer hf_s3cret'")

    words = as_user("nobody", fails, {"HF_TOKEN": "hf_s3cret"})
    assert words == "ValueError: Invalid header value b'Bearer ***'"


def test_another_download_is_waited_for(fake: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with (fake / "lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        second = threading.Thread(target=weights.main, args=(request(fake),))
        second.start()
        said = ""
        while "another download runs" not in said:
            assert second.is_alive()
            said += capfd.readouterr().err
        assert not (fake / "said").read_text()
    second.join(60)
    assert missing(fake) == {}


INDEX = "model.safetensors.index.json"
SHARDS = json.dumps({"weight_map": {"a": "1.safetensors", "b": "2.safetensors", "c": "3"}})

ODD = (
    *("", "\ufeff{}", "[" * 100_000, "9" * 5000, '{"weight_map": 1}', '{"weight_map": ["1"]}'),
    *(
        json.dumps({"weight_map": {"a": name}})
        for name in (1, None, True, [], {}, "", "x" * 5000, "\0", "a\nb", "/etc/passwd", "../x")
    ),
)
"""Indexes that name no file that could lie beside them."""


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"config.json": "", "model.safetensors": ""}, ""),
        ({"config.json": "", "pytorch_model.bin": ""}, ""),
        ({"config.json": "", "1.safetensors": "", INDEX: SHARDS}, "lacks 2.safetensors and 1 more"),
        ({"config.json": "", "1.safetensors": "", "2.safetensors": "", INDEX: SHARDS}, "lacks 3"),
        (dict.fromkeys(("config.json", "1.safetensors", "2.safetensors", "3"), ""), ""),
        ({"config.json": "", "model.safetensors": "", INDEX: SHARDS}, ""),
        ({"config.json": "", "1.safetensors": "", INDEX: "{"}, f"lacks a readable {INDEX}"),
        ({"config.json": "", "1.safetensors": "", INDEX: "[]"}, f"lacks a readable {INDEX}"),
        *(
            ({"config.json": "", "1.safetensors": "", INDEX: odd}, f"lacks a readable {INDEX}")
            for odd in ODD
        ),
        ({"config.json": "", "notes.txt": ""}, "has no weights"),
        ({"model.safetensors": ""}, "has no config.json"),
        ({}, "has no config.json"),
    ],
)
def test_what_is_wrong_with_a_folder(tmp_path: Path, files: dict[str, str], words: str) -> None:
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    found = problems(tmp_path)
    assert (words in found) if words else (found == "")


def test_an_index_that_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    for name in ("config.json", "1.safetensors"):
        (tmp_path / name).touch()
    os.mkfifo(tmp_path / INDEX)
    assert problems(tmp_path) == f"{tmp_path} lacks a readable {INDEX}"


def test_shards_may_lie_in_a_folder_below(tmp_path: Path) -> None:
    (tmp_path / "shards").mkdir()
    for name in ("config.json", "0.safetensors", "shards/1.safetensors"):
        (tmp_path / name).touch()
    (tmp_path / INDEX).write_text('{"weight_map": {"a": "shards/1.safetensors"}}')
    assert problems(tmp_path) == ""


def test_dangling_links_are_no_weights(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.safetensors").symlink_to("/nowhere")
    assert "has no weights" in problems(tmp_path)


# --- one GGUF file -----------------------------------------------------------------------------

GGUF = b"GGUF" + bytes(1000)
SHA256 = hashlib.sha256(GGUF).hexdigest()


@pytest.fixture(autouse=True)
def library_of_this_interpreter() -> None:
    """What ``file://`` imports: others may not be able to read this interpreter's own folder."""
    import_module("mimetypes")


def file_request(fake: Path, do: str = "fetch", **more: Any) -> dict[str, Any]:
    usual = {
        "kind": "file",
        "path": str(target(fake) / "model.gguf"),
        "url": f"file://{fake}/source.gguf",
        "sha256": SHA256,
        "size_bytes": len(GGUF),
    }
    return {**request(fake, do), "models": [{**usual, **more}]}


def wrong(fake: Path, **more: Any) -> str:
    found: dict[str, str] = weights.main(file_request(fake, "observe", **more))
    return "".join(found.values())


def test_a_file_is_downloaded_by_the_engines_user_and_compared_once(fake: Path) -> None:
    (fake / "source.gguf").write_bytes(GGUF)
    assert "model.gguf is not there" in wrong(fake)
    weights.main(file_request(fake))
    assert wrong(fake) == ""
    path = target(fake) / "model.gguf"
    assert path.stat().st_uid == pwd.getpwnam("nobody").pw_uid
    assert [each.name for each in path.parent.iterdir()] == ["model.gguf"]
    (fake / "source.gguf").unlink()
    weights.main(file_request(fake))  # nothing to ask for


def test_a_file_of_the_operator_is_compared_and_left_alone(fake: Path) -> None:
    own = fake / "own.gguf"
    own.write_bytes(GGUF)
    more = {"path": str(own), "url": None}
    assert "was not compared with its digest yet" in wrong(fake, **more)
    weights.main(file_request(fake, **more))
    assert wrong(fake, **more) == ""
    os.utime(own, ns=(1, 1))
    assert "was not compared" in wrong(fake, **more), "it was touched since"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (GGUF[:-1], r"has 1003 bytes, not 1004"),
        (b"TEXT" + bytes(1000), r"is not a GGUF file"),
        (b"GGUF" + bytes(999) + b"x", r"has the SHA-256 [0-9a-f]{64}, not .*: move it away"),
    ],
)
def test_a_file_that_is_not_the_planned_one_is_refused_and_kept(
    fake: Path, content: bytes, words: str
) -> None:
    own = fake / "own.gguf"
    own.write_bytes(content)
    with pytest.raises(SystemExit, match=words):
        weights.main(file_request(fake, path=str(own), url=None))
    assert own.read_bytes() == content
    assert wrong(fake, path=str(own), url=None)


def test_a_download_of_another_digest_is_refused_and_not_kept(
    fake: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (fake / "source.gguf").write_bytes(b"GGUF" + bytes(999) + b"x")
    with pytest.raises(SystemExit, match="download failed: see above"):
        weights.main(file_request(fake))
    assert "it was removed" in capfd.readouterr().err
    assert list(target(fake).iterdir()) == []


def test_a_file_that_is_nowhere_is_said(fake: Path) -> None:
    with pytest.raises(SystemExit, match=r"own.gguf is not there"):
        weights.main(file_request(fake, path=f"{fake}/own.gguf", url=None))

"""Weights on a host, with a stand-in for the hub."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import pwd
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial as partial_of
from http.server import ThreadingHTTPServer
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from lab.hub import serve
from rackwright.bundling.manifest import BundledFile
from rackwright.bundling.serving import Answer, Shelf
from rackwright.remote import weights
from rackwright.remote.downloads.fetching import sha256_of
from rackwright.remote.downloads.repository import problems
from rackwright.remote.host.as_user import as_user

REVISION = "0e9e39f249a16976918f6564b8830bc894c89659"

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="changes user, which only root can")


@pytest.fixture
def asked() -> list[str]:
    """What the hub is asked, in its order."""
    return []


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch, asked: list[str]) -> Iterator[Path]:
    """A folder that other users may enter, and a hub with a repository of it that asks for a token.

    ``hub`` in it has the hub's URL; what is in ``during`` is done while files come.
    """
    with tempfile.TemporaryDirectory(prefix="rackwright-test-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "state").mkdir()
        model(folder / "repo")
        monkeypatch.setattr(weights, "LOCK", folder / "lock")
        for variable in ("HF_TOKEN", "X_OF_ENGINE"):
            monkeypatch.setenv(variable, "")
        with contextlib.ExitStack() as serving:

            def serve_now() -> None:
                hub = serve(
                    {"org/name": folder / "repo"},
                    REVISION,
                    "127.0.0.1",
                    token="hf_s3cret",
                    on_request=lambda line: note(folder, line, asked),
                )
                (folder / "hub").write_text(serving.enter_context(hub))

            serve_now()
            monkeypatch.setattr(SERVING, "again", serve_now, raising=False)
            yield folder


class SERVING:
    """``again``: the repository as it is now."""

    again: Callable[[], None]


def note(folder: Path, line: str, asked: list[str]) -> None:
    asked.append(line)
    if "resolve" in line and (during := folder / "during").exists():
        subprocess.run(["sh", str(during.rename(folder / "done"))], check=True)


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
        "hub": (fake / "hub").read_text(),
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


def fetched(asked: list[str]) -> list[str]:
    """Names of the files of which the hub was asked for a part."""
    return sorted({line.split()[1].rpartition("/")[2] for line in asked if "resolve" in line})


def test_a_download_is_put_in_place_when_it_is_whole(fake: Path, asked: list[str]) -> None:
    assert missing(fake) == {str(target(fake)): f"{target(fake)} has no config.json"}
    assert weights.main(request(fake)) == "weights of 1 model(s) are there"
    assert missing(fake) == {}
    assert not partial(fake).exists()
    nobody = pwd.getpwnam("nobody").pw_uid
    assert target(fake).stat().st_uid == nobody
    assert sorted(path.name for path in target(fake).iterdir()) == fetched(asked)
    assert all(path.stat().st_uid == nobody for path in target(fake).iterdir())


def test_the_second_time_nothing_is_downloaded(fake: Path, asked: list[str]) -> None:
    weights.main(request(fake))
    before = list(asked)
    weights.main(request(fake))
    assert asked == before


def test_a_download_that_fails_is_resumed_by_the_next(fake: Path, asked: list[str]) -> None:
    wrong_token = {**request(fake), "environment": {"HF_TOKEN": "hf_wrong"}}
    with pytest.raises(SystemExit, match="HTTP 401") as ended:
        weights.main(wrong_token)
    assert "hf_wrong" not in str(ended.value)
    assert (partial(fake) / "config.json").exists() and not target(fake).exists()
    assert missing(fake)
    weights.main(request(fake))
    assert missing(fake) == {} and not partial(fake).exists()


def test_a_folder_that_is_broken_is_repaired_not_fetched_anew(fake: Path, asked: list[str]) -> None:
    for path in (folder := model(target(fake), "config.json", "large-part"), *folder.iterdir()):
        os.chown(path, pwd.getpwnam("nobody").pw_uid, -1)
    weights.main(request(fake))
    assert fetched(asked) == ["model.safetensors"]
    assert missing(fake) == {} and (target(fake) / "large-part").exists()
    assert not partial(fake).exists()


def test_what_goes_missing_of_a_download_is_fetched_again(fake: Path, asked: list[str]) -> None:
    (fake / "repo/tokenizer.json").write_text("{}")
    SERVING.again()
    weights.main(request(fake))
    (target(fake) / "tokenizer.json").unlink()
    assert missing(fake)[str(target(fake))].endswith("lacks tokenizer.json")
    asked.clear()
    weights.main(request(fake))
    assert missing(fake) == {} and fetched(asked) == ["tokenizer.json"]


def test_a_file_that_was_edited_stays_as_it_is(fake: Path) -> None:
    weights.main(request(fake))
    (target(fake) / "config.json").write_text('{"edited": true}')
    assert missing(fake) == {}


def test_files_that_are_known_are_not_asked_for_by_name(fake: Path, asked: list[str]) -> None:
    files = weights.main(request(fake, "tell"))
    asked.clear()
    weights.main(request(fake, known_files=[row[:3] for row in files]))
    assert missing(fake) == {}
    assert not [line for line in asked if "api" in line]
    seen = weights.main(request(fake, "look"))[str(target(fake))]
    assert seen == {"wrong": "", "files": [[*row[:3], row[3]] for row in sorted(files)]}


def test_a_broken_folder_of_somebody_else_is_set_aside(fake: Path) -> None:
    model(target(fake), "config.json", "precious")
    weights.main(request(fake))
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
    SERVING.again()
    for _ in range(2):
        with pytest.raises(SystemExit, match=r"not a model that can be served: .* has no weights"):
            weights.main(request(fake))
        assert not target(fake).exists()


def test_the_operators_own_folder_is_only_looked_at(fake: Path, asked: list[str]) -> None:
    own = fake / "own"
    with pytest.raises(SystemExit, match=f"{own} has no config.json"):
        weights.main(request(fake, path=str(own), repo=None, revision=None))
    assert not own.exists() and not asked
    model(own)
    weights.main(request(fake, path=str(own), repo=None, revision=None))
    assert not asked


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
    closed.mkdir(mode=0o777)
    (closed / "config.json").write_text("theirs")
    (closed / "theirs").touch()
    partial(fake).mkdir(parents=True)
    for name in (".cache", "below"):
        (partial(fake) / name).symlink_to(closed)
    (partial(fake) / "config.json").symlink_to(closed / "config.json")
    with suppress(SystemExit):
        weights.main(request(fake))
    assert (closed / "config.json").read_text() == "theirs" and (closed / "theirs").exists()


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
        "url": f"{(fake / 'hub').read_text()}/org/name/resolve/{REVISION}/source.gguf",
        "sha256": SHA256,
        "size_bytes": len(GGUF),
    }
    return {**request(fake, do), "models": [{**usual, **more}]}


def wrong(fake: Path, **more: Any) -> str:
    found: dict[str, str] = weights.main(file_request(fake, "observe", **more))
    return "".join(found.values())


def test_a_file_is_downloaded_by_the_engines_user_and_compared_once(
    fake: Path, asked: list[str]
) -> None:
    (fake / "repo/source.gguf").write_bytes(GGUF)
    SERVING.again()
    assert "model.gguf is not there" in wrong(fake)
    weights.main(file_request(fake))
    assert wrong(fake) == ""
    path = target(fake) / "model.gguf"
    assert path.stat().st_uid == pwd.getpwnam("nobody").pw_uid
    assert [each.name for each in path.parent.iterdir()] == ["model.gguf"]
    before = list(asked)
    weights.main(file_request(fake))  # nothing to ask for
    assert asked == before


def test_every_part_of_a_split_file_comes_and_is_compared(fake: Path) -> None:
    parts = {f"m-0000{number}-of-00002.gguf": GGUF + bytes(number) for number in (1, 2)}
    models = []
    for name, content in parts.items():
        (fake / "repo" / name).write_bytes(content)
    SERVING.again()
    for name, content in parts.items():
        own = {"sha256": hashlib.sha256(content).hexdigest(), "size_bytes": len(content)}
        url = f"{(fake / 'hub').read_text()}/org/name/resolve/{REVISION}/{name}"
        models.append({"kind": "file", "path": str(target(fake) / name), "url": url, **own})
    asked = {**request(fake), "models": models}
    weights.main(asked)
    assert weights.main({**asked, "do": "observe"}) == {}
    assert {path.name for path in target(fake).iterdir()} == {*parts}
    (target(fake) / "m-00002-of-00002.gguf").unlink()
    (wrong_part,) = weights.main({**asked, "do": "observe"}).values()
    assert "m-00002-of-00002.gguf is not there" in wrong_part
    weights.main(asked)
    assert weights.main({**asked, "do": "observe"}) == {}


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


def test_a_download_of_another_digest_is_refused_and_not_kept(fake: Path) -> None:
    (fake / "repo/source.gguf").write_bytes(b"GGUF" + bytes(999) + b"x")
    SERVING.again()
    with pytest.raises(
        SystemExit, match=f"has the SHA-256 [0-9a-f]*, not {SHA256}: it was removed"
    ):
        weights.main(file_request(fake))
    assert not (target(fake) / "model.gguf").exists()
    (fake / "repo/source.gguf").write_bytes(GGUF)
    SERVING.again()
    weights.main(file_request(fake))
    assert wrong(fake) == ""


def test_what_an_older_release_left_of_a_file_is_in_nobodys_way(fake: Path) -> None:
    (fake / "repo/source.gguf").write_bytes(GGUF)
    SERVING.again()
    target(fake).mkdir(parents=True)
    for path in (target(fake), left := target(fake) / "model.gguf.partial"):
        path.touch()
        os.chown(path, pwd.getpwnam("nobody").pw_uid, -1)
    weights.main(file_request(fake))
    assert wrong(fake) == "" and not left.exists()


def test_a_file_that_is_nowhere_is_said(fake: Path) -> None:
    with pytest.raises(SystemExit, match=r"own.gguf is not there"):
        weights.main(file_request(fake, path=f"{fake}/own.gguf", url=None))


# --- files of a bundle ----------------------------------------------------------------------------


@contextlib.contextmanager
def served(folder: Path) -> Iterator[str]:
    """The folder as a bundle is served, at that URL."""
    files = {
        str(path.relative_to(folder)): BundledFile(size_bytes=path.stat().st_size, sha256="0" * 64)
        for path in folder.rglob("*")
        if path.is_file()
    }
    shelf = Shelf(folder, files)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial_of(Answer, shelf))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/{shelf.word}"
    finally:
        server.shutdown()
        server.server_close()


def test_files_of_a_bundle_are_fetched_by_their_digests_and_the_hub_is_not_asked(
    fake: Path, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, "")
    source = model(fake / "bundle", "config.json", "model.safetensors")
    (source / "a folder").mkdir()
    (source / "a folder/more.json").write_text("more")
    names = [str(p.relative_to(source)) for p in source.rglob("*") if p.is_file()]
    files = [
        [name, (source / name).stat().st_size, f"sha256:{sha256_of(source / name)}"]
        for name in names
    ]
    with served(source) as url:
        wanted = request(fake, bundled={"url": url, "files": files})
        away = {**wanted["environment"], "http_proxy": "http://192.0.2.1:1"}
        said = weights.main({**wanted, "environment": away, "bundle": {"url": url}})
    assert said == "weights of 1 model(s) are there"
    assert sorted(str(p.relative_to(target(fake))) for p in target(fake).rglob("*.json")) == [
        "a folder/more.json",
        "config.json",
    ]
    assert not asked
    nobody = pwd.getpwnam("nobody").pw_uid
    assert {path.stat().st_uid for path in target(fake).rglob("*")} == {nobody}


def test_a_file_of_a_bundle_that_is_another_is_not_taken(fake: Path) -> None:
    source = model(fake / "bundle", "config.json", "model.safetensors")
    wrong = [[name, 2, f"sha256:{'0' * 64}"] for name in ("config.json", "model.safetensors")]
    with served(source) as url, pytest.raises(SystemExit, match="has the SHA-256"):
        weights.main(request(fake, bundled={"url": url, "files": wrong}))
    assert not target(fake).exists()


# --- files that a lock says -----------------------------------------------------------------------


def locked(fake: Path) -> dict[str, Any]:
    """The repository as it is now, as a request has it."""
    return {
        path.name: [hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_size]
        for path in (fake / "repo").iterdir()
    }


def test_a_download_is_compared_with_what_is_locked_once(fake: Path, asked: list[str]) -> None:
    wanted = request(fake, files=locked(fake))
    assert weights.main(wanted) == "weights of 1 model(s) are there"
    assert weights.main({**wanted, "do": "observe"}) == {}
    before = list(asked)
    weights.main(wanted)
    assert asked == before, "nothing is fetched again"
    assert not [line for line in asked if "api" in line], "the lock says its files"
    (target(fake) / "config.json").write_text("[]")
    found = weights.main({**wanted, "do": "observe"})
    assert found[str(target(fake))].endswith("was not compared with its digests yet")


def test_a_download_of_another_digest_is_refused_and_mended_by_the_next(fake: Path) -> None:
    wanted = request(fake, files=locked(fake))
    (fake / "repo/model.safetensors").write_text("[]")  # of the same size
    with pytest.raises(SystemExit, match="has the SHA-256"):
        weights.main(wanted)
    assert not target(fake).exists()
    (fake / "repo/model.safetensors").write_text("{}")
    weights.main(wanted)
    assert weights.main({**wanted, "do": "observe"}) == {}


def test_a_file_that_was_edited_is_set_aside_and_mended_by_the_next(fake: Path) -> None:
    wanted = request(fake, files=locked(fake))
    weights.main(wanted)
    (target(fake) / "model.safetensors").write_text("[]")  # of the same size
    with pytest.raises(SystemExit, match="is set aside; the next run fetches it"):
        weights.main(wanted)
    weights.main(wanted)
    assert weights.main({**wanted, "do": "observe"}) == {}


def test_who_has_what_is_locked_knows_its_files(fake: Path) -> None:
    wanted = request(fake, files=locked(fake))
    weights.main(wanted)
    seen = weights.main({**wanted, "do": "look"})[str(target(fake))]
    rows = [[name, size, f"sha256:{digest}"] for name, (digest, size) in locked(fake).items()]
    assert seen == {"wrong": "", "files": sorted(rows)}
    (target(fake) / "another.json").touch()
    seen = weights.main({**wanted, "do": "look"})[str(target(fake))]
    assert "another.json, which is not locked" in seen["wrong"]


def test_a_folder_of_the_operators_is_compared_and_left(fake: Path) -> None:
    wanted = request(fake, files=locked(fake), repo=None)
    with pytest.raises(SystemExit, match=r"has no config\.json"):
        weights.main(wanted)
    model(target(fake))
    assert weights.main(wanted)
    (target(fake) / "model.safetensors").write_text("[]")
    with pytest.raises(SystemExit, match="move it away, or lock it"):
        weights.main(wanted)
    assert (target(fake) / "model.safetensors").read_text() == "[]"


def test_a_file_that_the_repository_lacks_is_named(fake: Path) -> None:
    with pytest.raises(SystemExit, match=r"tokenizer\.json: HTTP 404"):
        weights.main(request(fake, files={**locked(fake), "tokenizer.json": ["0" * 64, 2]}))


def test_a_file_that_was_not_compared_yet_is_there_for_others(fake: Path) -> None:
    path = target(fake) / "model.gguf"
    path.parent.mkdir(parents=True)
    assert weights.main(file_request(fake, "look"))[str(path)]["wrong"]
    path.write_bytes(GGUF)
    assert weights.main(file_request(fake, "look"))[str(path)] == {"wrong": "", "files": None}

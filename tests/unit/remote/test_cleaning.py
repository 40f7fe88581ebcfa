"""What nothing on a host needs any more: found, and what is needed or not ours left alone."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rackwright.remote import cleaning, release, weights
from rackwright.remote.downloads import locked_files
from rackwright.remote.downloads.records import name_of, record
from rackwright.remote.unneeded import needed

OLD, NEW = "0.31.0-0123456789ab", "0.32.0-ba9876543210"
FIRST, SECOND = "1" * 40, "2" * 40
USER = "nobody"

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="changes user, which only root can")


class Server:
    """A host's folders, with two releases and two revisions of a model."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root, self.state, self.config = folder / "root", folder / "state", folder / "config"
        self.units, self.turns = folder / "units", folder / "state/turns"
        for one in (self.config, self.units, self.turns, self.root / "vllm", self.root / "bin"):
            one.mkdir(parents=True, exist_ok=True)
        self.releases = {name: self.release(f"vllm/{name}") for name in (OLD, NEW)}
        self.weights = {name: self.model(name) for name in (FIRST, SECOND)}

    def release(self, name: str) -> Path:
        path = self.root / name
        (path / "bin").mkdir(parents=True)
        (path / "bin/vllm").write_bytes(bytes(100_000))
        path.with_name(f"{path.name}.txt").write_text("vllm==0 --hash=sha256:0\n")
        return path

    def model(self, name: str, owner: str = USER) -> Path:
        path = self.state / "models/org--name" / name
        path.mkdir(parents=True)
        for file in ("config.json", "model.safetensors"):
            (path / file).write_bytes(bytes(10_000))
        info = pwd.getpwnam(owner)
        for one in (path, *path.iterdir(), path.parent, path.parent.parent):
            os.chown(one, info.pw_uid, info.pw_gid)
        return path

    def request(self, **more: Any) -> dict[str, Any]:
        return {
            "do": "look",
            "root": str(self.root),
            "inside": ["bin", "uv", "vllm"],
            "releases": [f"{self.root}/vllm", f"{self.root}/uv"],
            "models": f"{self.state}/models",
            "stamps": f"{self.state}/verified",
            "turns": str(self.turns),
            "config": str(self.config),
            "user": USER,
            "keep": [str(self.releases[NEW]), str(self.weights[SECOND])],
            **more,
        }

    def look(self, **more: Any) -> tuple[set[str], dict[str, str]]:
        """Names of what nothing needs; by name why the rest stays."""
        found = cleaning.main(self.request(**more))
        unneeded = {Path(one["path"]).name for one in found["unneeded"]}
        return unneeded, {Path(one["path"]).name: one["why"] for one in found["kept"]}

    def remove(self, *paths: Path, **more: Any) -> list[str]:
        asked = self.request(do="remove", paths=list(map(str, paths)), **more)
        return [Path(path).name for path in cleaning.main(asked)["removed"]]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """In a folder that other users may enter."""
    with tempfile.TemporaryDirectory(prefix="rackwright-test-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        found = Server(folder)
        monkeypatch.setattr(needed, "UNITS", found.units)
        monkeypatch.setattr(release, "LOCK", folder / "release.lock")
        monkeypatch.setattr(weights, "LOCK", folder / "weights.lock")
        yield found


def test_what_the_plan_does_not_name_is_found_and_removed(server: Server) -> None:
    record(server.state / "verified", server.weights[FIRST], [])
    locked_files.note(server.weights[FIRST], {}, server.state / "verified")
    unneeded, kept = server.look()
    assert unneeded == {OLD, FIRST}
    assert kept == {NEW: "the plan names it", SECOND: "the plan names it"}
    removed = server.remove(server.releases[OLD], server.weights[FIRST])
    assert sorted(removed) == sorted([OLD, FIRST])
    assert sorted(path.name for path in (server.root / "vllm").iterdir()) == [NEW, f"{NEW}.txt"]
    assert [path.name for path in server.weights[SECOND].parent.iterdir()] == [SECOND]
    assert not list((server.state / "verified").iterdir())
    assert server.look()[0] == set()


def test_how_much_is_freed_is_said(server: Server) -> None:
    sizes = {
        Path(one["path"]).name: one["bytes"] for one in cleaning.main(server.request())["unneeded"]
    }
    assert 100_000 <= sizes[OLD] < 150_000
    os.link(server.releases[OLD] / "bin/vllm", server.folder / "in-the-cache-of-uv")
    again = cleaning.main(server.request())["unneeded"]
    (less,) = [one["bytes"] for one in again if one["path"].endswith(OLD)]
    assert less < sizes[OLD] - 90_000


def test_only_what_is_asked_for_is_removed(server: Server) -> None:
    assert server.remove(server.releases[OLD]) == [OLD]
    assert server.weights[FIRST].is_dir()


@pytest.mark.parametrize("which", ["release", "weights"])
@pytest.mark.parametrize(
    ("place", "why"),
    [
        ("units/rackwright-chat.service", "a unit of this host names it"),
        ("units/theirs.service.d/more.conf", "a unit of this host names it"),
        ("config/replicas/chat.env", "a unit of this host names it"),
        ("state/turns/chat.before/unit", "a replica may go back to it"),
        ("state/turns/chat.back/environment", "a replica may go back to it"),
    ],
)
def test_what_units_and_ways_back_name_stays(
    server: Server, which: str, place: str, why: str
) -> None:
    path = server.releases[OLD] if which == "release" else server.weights[FIRST]
    file = server.folder / place
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"ExecStart={path}/bin/vllm serve {path} --more\n")
    unneeded, kept = server.look()
    assert path.name not in unneeded and kept[path.name] == why
    assert server.remove(path) == [] and path.exists()


def test_a_name_that_only_begins_alike_keeps_nothing(server: Server) -> None:
    (server.units / "x.service").write_text(f"ExecStart={server.releases[OLD]}.txt\n")
    assert OLD in server.look()[0]


def test_what_a_process_has_open_stays(server: Server) -> None:
    path = server.weights[FIRST]
    script = "import sys; print(1, flush=True); sys.stdin.read()"
    with (path / "model.safetensors").open("rb") as weights_file:
        argv = [sys.executable, "-c", script]
        running = subprocess.Popen(
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=(weights_file.fileno(),),
            cwd=server.releases[OLD],
        )
    assert running.stdout and running.stdout.readline()
    unneeded, kept = server.look()
    running.communicate()
    assert unneeded == set()
    assert kept[FIRST] == kept[OLD] == "a process has it open"
    assert server.look()[0] == {OLD, FIRST}


def test_what_a_link_of_units_leads_to_stays(server: Server) -> None:
    (server.root / "vllm/current").symlink_to(server.releases[OLD])
    assert server.look()[1][OLD] == "a link leads to it"
    assert (server.root / "vllm/current").is_symlink()


def test_what_others_put_there_stays(server: Server) -> None:
    theirs = server.model("3" * 40, owner="root")
    (server.weights[FIRST] / "notes").write_text("mine")  # root's, in a folder of ours
    (server.root / "vllm/notes").write_text("mine")
    (server.root / "vllm/backup").mkdir()
    (server.state / "models/org--name/backup").mkdir()
    elsewhere = server.folder / "elsewhere"
    elsewhere.mkdir()
    (server.root / f"vllm/0.30.0-{'a' * 12}").symlink_to(elsewhere)
    unneeded, kept = server.look()
    assert unneeded == {OLD}
    assert kept[theirs.name] == kept[FIRST] == "root has put something there"
    assert "backup" not in kept and "notes" not in kept
    assert server.remove(theirs, server.weights[FIRST], elsewhere) == []
    assert theirs.is_dir() and elsewhere.is_dir()


def test_in_a_folder_that_is_not_ours_no_release_is_looked_for(server: Server) -> None:
    assert server.look(inside=["llamacpp"])[0] == {FIRST}


def test_a_download_of_what_is_planned_is_kept_another_is_not(server: Server) -> None:
    for name in (FIRST, SECOND):
        server.model(f"{name}.partial")
    unneeded, kept = server.look()
    assert f"{FIRST}.partial" in unneeded and kept[f"{SECOND}.partial"] == "the plan names it"


def test_of_files_that_are_fetched_alone_each_is_looked_at(server: Server) -> None:
    folder = server.model("4" * 40)
    (folder / "config.json").unlink()
    (folder / "model.safetensors").rename(folder / "q8.gguf")
    (folder / "q4.gguf").touch()
    os.chown(folder / "q4.gguf", pwd.getpwnam(USER).pw_uid, -1)
    keep = [*server.request()["keep"], str(folder / "q8.gguf")]
    assert server.look(keep=keep)[0] == {OLD, FIRST, "q4.gguf"}
    stamp = server.state / "verified" / name_of(folder / "q4.gguf")
    stamp.parent.mkdir()
    stamp.touch()
    assert server.remove(folder / "q4.gguf", keep=keep) == ["q4.gguf"]
    assert [path.name for path in folder.iterdir()] == ["q8.gguf"] and not stamp.exists()


def test_parts_of_a_file_stay_as_long_as_the_first_is_named(server: Server) -> None:
    folder = server.model("4" * 40)
    (folder / "config.json").unlink()
    (folder / "model.safetensors").rename(folder / "m-00001-of-00002.gguf")
    for name in ("m-00002-of-00002.gguf", "n-00002-of-00002.gguf"):
        (folder / name).touch()
        os.chown(folder / name, pwd.getpwnam(USER).pw_uid, -1)
    (server.turns / "chat.before").mkdir(parents=True)
    unit = f"ExecStart=/opt/llama-server --model {folder}/m-00001-of-00002.gguf --port 8000"
    (server.turns / "chat.before/unit").write_text(unit)
    unneeded, kept = server.look()
    assert unneeded == {OLD, FIRST, "n-00002-of-00002.gguf"}
    assert kept["m-00002-of-00002.gguf"] == "a replica may go back to it"


def test_a_removal_that_was_cut_off_is_gone_on_with(server: Server) -> None:
    aside = server.releases[OLD].with_name(f".{OLD}.rackwright-old")
    server.releases[OLD].rename(aside)
    unneeded, _ = server.look()
    assert {aside.name, OLD} <= unneeded  # the requirements file is still there
    server.remove(aside, server.releases[OLD])
    assert sorted(path.name for path in (server.root / "vllm").iterdir()) == [NEW, f"{NEW}.txt"]


def test_links_in_weights_are_not_followed(server: Server) -> None:
    precious = server.folder / "precious"
    precious.mkdir()
    (precious / "file").touch()
    link = server.weights[FIRST] / "below"
    link.symlink_to(precious)
    os.chown(link, pwd.getpwnam(USER).pw_uid, -1, follow_symlinks=False)
    assert server.remove(server.weights[FIRST]) == [FIRST]
    assert (precious / "file").exists()


def test_of_a_planned_model_that_is_broken_nothing_goes(server: Server) -> None:
    (server.weights[SECOND] / "config.json").unlink()
    unneeded, kept = server.look()
    assert unneeded == {OLD, FIRST} and kept[SECOND] == "the plan names it"
    (server.weights[SECOND] / "model.safetensors").rename(server.weights[SECOND] / "a.gguf")
    assert server.look()[0] == {OLD, FIRST}

"""Seeds on a server: packed from one replica's cache, unpacked into another's, as their user."""

from __future__ import annotations

import gzip
import io
import json
import os
import pwd
import stat
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rackwright.remote import seeds
from rackwright.remote.compiled import machine
from rackwright.remote.compiled.archive import Unfit, pack, unpack

USER = "nobody"
UID = pwd.getpwnam(USER).pw_uid
PARTS = ["vllm/torch_compile_cache", "triton"]
KERNEL = "triton/ABC/kernel.cubin"
GIB = 1 << 30

asroot = pytest.mark.skipif(os.getuid() != 0, reason="changes user, which only root can")


class Server:
    """A server below a folder, with the caches of two replicas that are alike."""

    def __init__(self, root: Path) -> None:
        self.caches = root / "cache"
        self.store = root / "state" / "seeds"
        self.root = root
        self.caches.mkdir()
        os.chown(self.caches, UID, -1)

    def replica(self, name: str, **facts: Any) -> dict[str, Any]:
        return {
            "name": name,
            "cache": str(self.cache(name)),
            "parts": PARTS,
            "user": USER,
            "facts": {"engine": "vllm", **facts},
        }

    def cache(self, name: str) -> Path:
        return self.caches / name / "0.32.0-cuda"

    def compiled(self, name: str, **files: str) -> None:
        """What an engine wrote into its cache, by the user who runs it."""
        for path, text in {KERNEL: "code", **files}.items():
            file = self.cache(name) / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        for path in (self.caches / name, *(self.caches / name).rglob("*")):
            os.chown(path, UID, -1, follow_symlinks=False)

    def ask(self, do: str, *names: str, most_bytes: int = GIB, **more: Any) -> Any:
        replicas = [self.replica(name) for name in names]
        request = {"do": do, "folder": str(self.store), "most_bytes": most_bytes}
        return seeds.main({**request, "replicas": replicas, **more})


@pytest.fixture
def server() -> Iterator[Server]:
    with tempfile.TemporaryDirectory(prefix="rackwright-test-") as name:
        Path(name).chmod(0o755)
        yield Server(Path(name))


@pytest.fixture
def other() -> Iterator[Server]:
    with tempfile.TemporaryDirectory(prefix="rackwright-test-") as name:
        Path(name).chmod(0o755)
        yield Server(Path(name))


def tree(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_text() for path in files}


@asroot
def test_what_one_compiled_another_has(server: Server) -> None:
    server.compiled("one", **{"vllm/torch_compile_cache/x/model": "graph", "vllm/p2p.json": "1"})
    assert server.ask("look", "one")["one"]["there"] is False
    made = server.ask("make", "one")["one"]
    assert made.startswith("seed ") and "2 files" in made
    seen = server.ask("look", "one", "two")
    assert (seen["one"]["has"], seen["two"]["has"], seen["two"]["there"]) == (True, False, True)
    assert "of one taken: 2 files" in server.ask("take", "two")["two"]
    assert tree(server.cache("two")) == {
        KERNEL: "code",
        "vllm/torch_compile_cache/x/model": "graph",
    }
    assert server.ask("look", "two")["two"]["has"] is True
    for path in server.cache("two").rglob("*"):
        assert path.stat().st_uid == UID, path
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


@asroot
def test_nobody_else_can_read_a_seed(server: Server) -> None:
    server.compiled("one")
    server.ask("make", "one")
    (tar,) = server.store.glob("*.tar.gz")
    assert stat.S_IMODE(tar.stat().st_mode) == 0o600
    assert stat.S_IMODE(server.store.stat().st_mode) == 0o700
    assert {path.stat().st_uid for path in server.store.rglob("*")} == {0}


@asroot
def test_one_seed_of_two_that_are_alike(server: Server) -> None:
    server.compiled("one")
    server.compiled("two")
    said = server.ask("make", "one", "two")
    assert said["one"] and not said["two"]
    assert all(one["has"] for one in server.ask("look", "one", "two").values())
    assert not any(server.ask("make", "one", "two").values())
    assert len(server.ask("list")["seeds"]) == 1


@asroot
def test_no_file_that_is_there_is_replaced(server: Server) -> None:
    server.compiled("one", **{"triton/NEW/kernel": "new"})
    server.ask("make", "one")
    server.compiled("two", **{KERNEL: "own"})
    assert "1 files" in server.ask("take", "two")["two"]
    assert tree(server.cache("two")) == {KERNEL: "own", "triton/NEW/kernel": "new"}


@asroot
def test_a_cache_that_was_emptied_takes_it_again(server: Server) -> None:
    server.compiled("one")
    server.ask("make", "one")
    assert server.ask("look", "one")["one"]["has"] is True
    (server.cache("one") / KERNEL).unlink()
    (server.cache("one") / "triton/ABC").rmdir()
    (server.cache("one") / "triton").rmdir()
    assert server.ask("look", "one")["one"]["has"] is False


@asroot
def test_other_facts_are_another_seed(server: Server) -> None:
    server.compiled("one")
    server.ask("make", "one")
    request = {"do": "take", "folder": str(server.store), "most_bytes": GIB}
    larger = server.replica("two", arguments=["--max-model-len", "8192"])
    assert seeds.main({**request, "replicas": [larger]}) == {"two": ""}
    assert not server.cache("two").exists()


@pytest.mark.parametrize("fact", ["architecture", "processor", "system", "driver"])
def test_another_machine_takes_none(fact: str, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = {**machine.machine()}
    before = machine.digest_of({"engine": "vllm"})
    assert machine.digest_of({"engine": "vllm"}) == before
    monkeypatch.setattr(machine, "machine", lambda: {**seen, fact: "another"})
    assert machine.digest_of({"engine": "vllm"}) != before


def test_the_processor_is_known_by_what_compilers_go_by(monkeypatch: pytest.MonkeyPatch) -> None:
    text = (
        "processor\t: 0\nvendor_id\t: X\nflags\t\t: avx avx2\ncpu MHz\t\t: {}\n\nprocessor\t: 1\n"
    )
    with tempfile.TemporaryDirectory() as folder:
        monkeypatch.setattr(machine, "CPU", Path(folder, "cpuinfo"))
        machine.CPU.write_text(text.format("2000.1"))
        slow = machine.machine()["processor"]
        machine.CPU.write_text(text.format("2100.7"))
        assert machine.machine()["processor"] == slow
        machine.CPU.write_text(text.format("2100.7").replace("avx2", "avx2 avx512f"))
        assert machine.machine()["processor"] != slow


@asroot
def test_a_seed_that_is_too_large_is_not_made_and_the_oldest_go_first(server: Server) -> None:
    server.compiled("one", **{"triton/BIG": "x" * 3000})
    assert "more than 0 MiB" in server.ask("make", "one", most_bytes=2000)["one"]
    assert server.ask("list")["seeds"] == []
    for number in range(3):
        one = server.replica("one", number=number)
        request = {"do": "make", "folder": str(server.store), "replicas": [one]}
        noise = os.urandom(1500).hex()
        server.compiled("one", **{"triton/BIG": noise})
        assert "made" in seeds.main({**request, "most_bytes": 5000})["one"]
    kept = [one["facts"]["number"] for one in server.ask("list")["seeds"]]
    assert kept == [2, 1]


@asroot
def test_what_a_run_left_that_was_cut_off_goes(server: Server) -> None:
    server.ask("make")
    server.compiled("one")
    server.store.mkdir(parents=True, mode=0o700)
    names = (f"{'a' * 32}.tar.gz", ".old.partial", ".new.partial")
    for name in names:
        (server.store / name).write_bytes(b"half")
    os.utime(server.store / ".old.partial", (0, 0))
    assert server.ask("list")["seeds"] == []
    server.ask("make", "one")
    assert [(server.store / name).exists() for name in names] == [False, False, True]


@asroot
def test_nothing_compiled_is_no_seed(server: Server) -> None:
    server.compiled("one")
    (server.cache("one") / KERNEL).rename(server.cache("one") / "elsewhere")
    assert "nothing compiled" in server.ask("make", "one")["one"]
    assert "no seed" in server.ask("make", "none")["none"]


@asroot
def test_neither_links_nor_what_is_being_written_is_packed(server: Server) -> None:
    server.compiled(
        "one", **{"triton/tmp.pid_7/half": "x", "triton/locks/a": "", "triton/b.lock": ""}
    )
    secret = server.root / "secret"
    secret.write_text("root's")
    (server.cache("one") / "triton/link").symlink_to(secret)
    (server.cache("one") / "vllm").symlink_to(server.root)
    os.mkfifo(server.cache("one") / "triton/pipe")
    assert "1 files" in server.ask("make", "one")["one"]


@asroot
def test_what_the_engines_user_cannot_read_is_not_packed(server: Server) -> None:
    server.compiled("one")
    (server.cache("one") / "triton/root").write_text("root's")
    (server.cache("one") / "triton/root").chmod(0o600)
    assert "1 files" in server.ask("make", "one")["one"]


@asroot
def test_a_cache_that_leads_elsewhere_is_left_alone(server: Server) -> None:
    server.compiled("one")
    server.ask("make", "one")
    (server.caches / "two").symlink_to(server.root / "state")
    os.chown(server.caches / "two", UID, -1, follow_symlinks=False)
    assert server.ask("take", "two")["two"].startswith("no seed: ")
    assert not (server.root / "state/0.32.0-cuda").exists()


@asroot
def test_a_seed_that_was_changed_is_not_taken(server: Server) -> None:
    server.compiled("one")
    server.ask("make", "one")
    (tar,) = server.store.glob("*.tar.gz")
    tar.write_bytes(tar.read_bytes() + b"x")
    assert "its SHA-256 differs" in server.ask("take", "two")["two"]
    assert not (server.cache("two") / "triton").exists()


def carried(server: Server, other: Server, spoil: bool = False) -> Any:
    digest = server.ask("look", "one")["one"]["digest"]
    about = server.ask("about", digest=digest)["about"]
    parts: dict[str, Any] = {"digest": digest, "carrier": "0a1b2c3d"}
    for offset in range(0, about["size"], 100):
        data = server.ask("read", digest=digest, offset=offset, bytes=100)["data"]
        said = other.ask("add", **parts, offset=offset, data="AAAA" if spoil else data)
        if said:
            return said
    return other.ask("finish", **parts, about=about)


@asroot
def test_a_seed_is_brought_to_another_server(server: Server, other: Server) -> None:
    server.compiled("one")
    server.ask("make", "one")
    assert carried(server, other) == {}
    assert other.ask("look", "two")["two"]["there"] is True
    other.ask("take", "two")
    assert tree(other.cache("two")) == {KERNEL: "code"}


@asroot
def test_what_arrives_otherwise_than_it_was_sent_is_refused(server: Server, other: Server) -> None:
    server.compiled("one", **{"triton/noise": os.urandom(400).hex()})
    server.ask("make", "one")
    assert "does not follow" in carried(server, other, spoil=True)["error"]
    digest = server.ask("look", "one")["one"]["digest"]
    other.ask("add", digest=digest, carrier="0a1b2c3d", offset=0, data="AAAA")
    about = server.ask("about", digest=digest)["about"]
    said = other.ask("finish", digest=digest, carrier="0a1b2c3d", about=about)
    assert "its SHA-256 differs" in said["error"]
    assert other.ask("list")["seeds"] == []
    assert carried(server, other) == {}, "a carrier that was cut off may begin again"


@asroot
def test_a_digest_is_no_path(server: Server) -> None:
    server.ask("make")
    for wrong in ("../../etc/passwd", "", "A" * 32):
        assert "no name of a seed" in server.ask("about", digest=wrong)["error"]
    said = server.ask("add", digest="a" * 32, carrier="../x", offset=0, data="")
    assert "no name of a carrier" in said["error"]


def tar_of(*entries: tarfile.TarInfo) -> io.BytesIO:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for entry in entries:
            tar.addfile(entry, io.BytesIO(b"x" * entry.size))
    out.seek(0)
    return out


def entry(
    name: str, kind: bytes = tarfile.REGTYPE, link: str = "", size: int = 1
) -> tarfile.TarInfo:
    one = tarfile.TarInfo(name)
    one.type, one.linkname, one.size = kind, link, size if kind == tarfile.REGTYPE else 0
    return one


HOSTILE = {
    "outside": entry("../triton/x"),
    "up again": entry("triton/../../x"),
    "absolute": entry("/triton/x"),
    "another folder": entry("huggingface/token"),
    "the folder itself": entry("triton"),
    "begins alike": entry("triton2/x"),
    "no plain path": entry("triton//x"),
    "control characters": entry("triton/\x1b[2J"),
    "a symbolic link": entry("triton/x", tarfile.SYMTYPE, "/etc/passwd"),
    "a hard link": entry("triton/x", tarfile.LNKTYPE, "/etc/passwd"),
    "a device": entry("triton/x", tarfile.CHRTYPE),
    "a pipe": entry("triton/x", tarfile.FIFOTYPE),
    "a folder": entry("triton/x", tarfile.DIRTYPE),
    "too much": entry("triton/x", size=5000),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_seed_is_refused_before_anything_is_written(name: str, tmp_path: Path) -> None:
    seed = tar_of(entry("triton/good"), HOSTILE[name])
    with pytest.raises(Unfit):
        unpack(seed, tmp_path, PARTS, 4000)
    assert list(tmp_path.iterdir()) == []


def test_a_sound_one_of_that_kind_is_taken(tmp_path: Path) -> None:
    assert unpack(tar_of(entry("triton/good")), tmp_path, PARTS, 4000) == {"files": 1, "bytes": 1}
    assert (tmp_path / "triton/good").read_text() == "x"


@pytest.mark.parametrize(
    "broken",
    [b"", b"no tar", gzip.compress(b"no tar" * 200)],
    ids=["nothing", "not packed", "something else packed"],
)
def test_what_is_no_tar_file_is_refused(broken: bytes, tmp_path: Path) -> None:
    with pytest.raises(Unfit):
        unpack(io.BytesIO(broken), tmp_path, PARTS, 4000)


def test_half_a_seed_is_refused(tmp_path: Path) -> None:
    (tmp_path / "triton").mkdir()
    (tmp_path / "triton/x").write_bytes(os.urandom(50_000))
    whole = io.BytesIO()
    pack(tmp_path, PARTS, whole, GIB)
    half = io.BytesIO(whole.getvalue()[: len(whole.getvalue()) // 2])
    into = tmp_path / "into"
    into.mkdir()
    with pytest.raises(Unfit):
        unpack(half, into, PARTS, GIB)
    assert list(into.iterdir()) == []


def test_a_link_in_the_cache_is_not_followed(tmp_path: Path) -> None:
    cache, elsewhere = tmp_path / "cache", tmp_path / "elsewhere"
    cache.mkdir(), elsewhere.mkdir()
    (cache / "triton").symlink_to(elsewhere)
    with pytest.raises(OSError):
        unpack(tar_of(entry("triton/good")), cache, PARTS, 4000)
    assert list(elsewhere.iterdir()) == []


def test_a_note_that_cannot_be_read_is_none(tmp_path: Path) -> None:
    (tmp_path / f"{'a' * 32}.tar.gz").write_bytes(b"")
    (tmp_path / f"{'a' * 32}.json").write_text("[")
    request = {"do": "about", "folder": str(tmp_path), "digest": "a" * 32}
    assert json.dumps(seeds.main(request)) == '{"about": null}'

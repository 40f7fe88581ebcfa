"""What `lab.gpu_host` decides: pieces and their manifest, which wheels, which driver files."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
from pathlib import Path

import pytest

from lab.errors import LabError
from lab.gpu_host import __main__ as command_line
from lab.gpu_host import booting, driver, needs, packing, pieces, record, unpacking
from lab.gpu_host.pieces import Manifest, Piece, Stream
from lab.record import start_time

SIZE = 10


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "PIECE_BYTES", SIZE)


def stream(folder: Path, data: bytes, prefix: str = "w0") -> Stream:
    sha256, found = pieces.cut(io.BytesIO(data), folder, prefix)
    return Stream(prefix, "/srv/wheels", "2 wheels", False, sha256, found)


@pytest.mark.parametrize(
    ("prefix", "number", "name"),
    [("i", 0, "i00"), ("i", 11, "i11"), ("w0", 7, "w007"), ("w1", 64, "w164"), ("p", 0, "p0")],
)
def test_pieces_are_named_in_the_order_of_the_stream(prefix: str, number: int, name: str) -> None:
    assert pieces.piece_name(prefix, number) == name


@pytest.mark.parametrize(("prefix", "number"), [("i", 100), ("w0", 100), ("p", 10)])
def test_no_name_is_given_that_would_sort_wrongly(prefix: str, number: int) -> None:
    with pytest.raises(LabError, match="more than"):
        pieces.piece_name(prefix, number)


@pytest.mark.parametrize("length", [0, 1, SIZE, SIZE + 1, 3 * SIZE])
def test_a_stream_comes_back_whole(tmp_path: Path, length: int) -> None:
    data = os.urandom(length)
    cut = stream(tmp_path, data)
    assert b"".join(pieces.content(cut, tmp_path)) == data
    assert cut.sha256 == hashlib.sha256(data).hexdigest()
    assert [piece.size_bytes for piece in cut.pieces[:-1]] == [SIZE] * (len(cut.pieces) - 1)
    assert sorted(path.name for path in tmp_path.iterdir()) == [p.name for p in cut.pieces]


def test_pieces_of_an_earlier_pack_are_removed(tmp_path: Path) -> None:
    stream(tmp_path, bytes(3 * SIZE))
    other = stream(tmp_path, b"another", "w1")
    assert len(stream(tmp_path, b"short").pieces) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["w000", "w100"]
    assert pieces.missing(other, tmp_path) == []


def test_missing_and_shortened_pieces_are_named(tmp_path: Path) -> None:
    cut = stream(tmp_path, bytes(3 * SIZE))
    (tmp_path / "w000").unlink()
    (tmp_path / "w002").write_bytes(b"half")
    assert pieces.missing(cut, tmp_path) == ["w000", "w002"]


def test_a_damaged_piece_is_refused(tmp_path: Path) -> None:
    cut = stream(tmp_path, bytes(2 * SIZE))
    (tmp_path / "w001").write_bytes(b"x" * SIZE)
    with pytest.raises(LabError, match="w001 is not what was packed"):
        list(pieces.content(cut, tmp_path))


def test_the_manifest_comes_back_as_it_was(tmp_path: Path) -> None:
    written = Manifest("trixie", {"w0": stream(tmp_path, b"abc")})
    written.save(tmp_path)
    assert pieces.load(tmp_path) == written
    with pytest.raises(LabError, match=r"manifest\.json is not there"):
        pieces.load(tmp_path / "nowhere")


def test_all_that_is_missing_is_said_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut = stream(tmp_path, bytes(2 * SIZE))
    (tmp_path / "w001").unlink()
    monkeypatch.setattr(needs.shutil, "which", lambda name: None if name == "nsenter" else name)
    monkeypatch.setattr(needs.driver, "missing", lambda: ["no NVIDIA device files"])
    with pytest.raises(LabError) as raised:
        needs.check(Manifest("bookworm", {"w0": cut}), tmp_path, ["w0"], gpus=True)
    for said in ("nsenter", "no NVIDIA device files", "2 wheels: 1 of 2 pieces", "w001"):
        assert said in str(raised.value)


LISTED = """\
212 libs found in cache `/etc/ld.so.cache'
\tlibnvidia-ml.so.1 (libc6,x86-64) => /usr/lib/x86_64-linux-gnu/libnvidia-ml.so.1
\tlibnvidia-ml.so.1 (libc6) => /usr/lib/i386-linux-gnu/libnvidia-ml.so.1
\tlibnvidia-gpucomp.so.580.95.05 (libc6,x86-64) => /usr/lib/libnvidia-gpucomp.so.580.95.05
\tlibcudart.so.13 (libc6,x86-64) => /usr/local/cuda/lib64/libcudart.so.13
\tlibcuda.so.1 (libc6,x86-64) => /usr/lib/x86_64-linux-gnu/libcuda.so.1
\tlibcuda.so.1 (libc6,x86-64) => /opt/compat/libcuda.so.1
\tlibc.so.6 (libc6,x86-64) => /usr/lib/x86_64-linux-gnu/libc.so.6
"""


def test_the_drivers_libraries_are_found_where_the_linker_finds_them() -> None:
    assert driver.of_cache(LISTED) == {
        "libnvidia-ml.so.1": "/usr/lib/x86_64-linux-gnu/libnvidia-ml.so.1",
        "libnvidia-gpucomp.so.580.95.05": "/usr/lib/libnvidia-gpucomp.so.580.95.05",
        "libcuda.so.1": "/usr/lib/x86_64-linux-gnu/libcuda.so.1",
    }


def test_a_wheel_of_two_locks_is_packed_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packing, "ROOT", tmp_path)
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    for name in ("a.whl", "both.whl", "b.whl", "stale.whl"):
        (wheels / name).write_text(name)
    for lock, names in {"a.txt": ("a.whl", "both.whl"), "b.txt": ("both.whl", "b.whl")}.items():
        digests = [hashlib.sha256(name.encode()).hexdigest() for name in names]
        (tmp_path / lock).write_text("".join(f"x==1 --hash=sha256:{one}\n" for one in digests))
    assert list(packing._each_once(["a.txt", "b.txt"], wheels)) == [
        ("a.txt", ["a.whl", "both.whl"]),
        ("b.txt", ["b.whl"]),
    ]


def test_a_folder_that_is_no_whole_bundle_is_packed_into_nothing(tmp_path: Path) -> None:
    out, bundle = tmp_path / "out", tmp_path / "bundle"
    bundle.mkdir()
    with pytest.raises(LabError, match="is no whole bundle: `rackwright bundle` makes it"):
        packing.pack(out, (), "bookworm", bundle)
    assert not out.exists()


def test_a_bundle_of_which_nothing_was_carried_is_left_out(tmp_path: Path) -> None:
    streams = {prefix: stream(tmp_path, bytes(3 * SIZE), prefix) for prefix in "ib"}
    packed = Manifest("bookworm", streams)
    assert booting._wanted(packed, tmp_path, tmp_path / "root") == ["i", "b"]
    (tmp_path / "b00").unlink()  # a part of it is missing: that is said when it is booted
    assert booting._wanted(packed, tmp_path, tmp_path / "root") == ["i", "b"]
    for piece in packed.streams["b"].pieces[1:]:
        (tmp_path / piece.name).unlink()
    assert booting._wanted(packed, tmp_path, tmp_path / "root") == ["i"]


def test_a_folder_that_is_no_root_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("mine")
    with pytest.raises(LabError, match="not a host's root folder"):
        unpacking.unpack(Manifest("bookworm", {"i": stream(tmp_path, b"")}), tmp_path, [],
                         tmp_path, live=False)  # fmt: skip
    assert (tmp_path / "precious").exists()


def packed(tmp_path: Path, system: bytes, wheels: bytes) -> Manifest:
    own = {"i": stream(tmp_path, system, "i"), "w0": stream(tmp_path, wheels)}
    return Manifest("bookworm", own)


def test_only_what_is_not_unpacked_yet_has_to_be_there(tmp_path: Path) -> None:
    root, first = tmp_path / "root", packed(tmp_path, b"system", b"wheels")
    assert unpacking.pending(first, root) == ["i", "w0"]
    marks = {prefix: one.sha256 for prefix, one in first.streams.items()}
    unpacking._write(root, marks)
    assert unpacking.pending(first, root) == []
    assert unpacking.pending(packed(tmp_path, b"system", b"others"), root) == ["w0"]
    assert unpacking.pending(packed(tmp_path, b"another", b"wheels"), root) == ["i", "w0"]


def test_streams_are_unpacked_where_they_belong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pieces, "PIECE_BYTES", 4096)
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("a.whl"), io.BytesIO())
    own = packed(tmp_path, b"", archive.getvalue())
    root = tmp_path / "root"
    unpacking.unpack(own, tmp_path, ["w0"], root, live=False)
    assert (root / "srv/wheels/a.whl").exists()
    assert unpacking.pending(own, root) == ["i"]
    unpacking._write(root, {"i": "another"})
    with pytest.raises(LabError, match="take it down first"):
        unpacking.unpack(own, tmp_path, ["w0"], root, live=True)
    unpacking.unpack(own, tmp_path, [], root, live=False)
    assert not (root / "srv").exists(), "the root folder of another pack is replaced"


@pytest.mark.parametrize(
    ("jobs", "expected"),
    [
        ("", False),
        (
            "1 multi-user.target start waiting\n9 rackwright-chat-local-0.service start running",
            True,
        ),
        ("1 ssh.service start running\n9 rackwright-chat-local-0.service start running", False),
        ("1 multi-user.target start waiting", False),
    ],
)
def test_a_host_is_up_before_its_engines_are(jobs: str, expected: bool) -> None:
    assert booting.only_engines(jobs) == expected


def test_a_checkout_replaces_the_projects_files_but_not_its_venv(tmp_path: Path) -> None:
    source, project = tmp_path / "source", tmp_path / "root" / "root/rackwright"
    for name in ("lab/new.py", "pyproject.toml", ".cache/big", "lab/__pycache__/x.pyc", ".git/x"):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text("new")
    (source / ".gitignore").write_text(".cache/\n__pycache__/\n")
    for name in ("lab/old.py", ".venv/bin/python", "reports/latest.json"):
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text("old")
    unpacking.take_project(source, tmp_path / "root")
    there = sorted(str(path.relative_to(project)) for path in project.rglob("*") if path.is_file())
    assert there == [".gitignore", ".venv/bin/python", "lab/new.py", "pyproject.toml",
                     "reports/latest.json"]  # fmt: skip
    with pytest.raises(LabError, match="no checkout"):
        unpacking.take_project(tmp_path, tmp_path / "root")
    assert (project / "lab/new.py").exists()


def test_the_venv_is_kept_while_the_project_asks_for_no_other(tmp_path: Path) -> None:
    project = tmp_path / "root/rackwright"
    (project / ".venv").mkdir(parents=True)
    for name in ("requirements.txt", "pyproject.toml"):
        (project / name).write_text(name)
    about = f"bookworm, the project's venv of {unpacking.venv_id(project)}"
    packed = Manifest("bookworm", {"i": Stream("i", "/", about, True, "", ())})
    unpacking.keep_venv(packed, tmp_path)
    assert (project / ".venv/.ready").exists()
    (project / ".venv/.ready").unlink()
    (project / "requirements.txt").write_text("another==1")
    unpacking.keep_venv(packed, tmp_path)
    assert not (project / ".venv/.ready").exists()


def test_a_process_is_known_by_pid_and_start(tmp_path: Path) -> None:
    own = os.getpid()
    assert record.Host("a", "/r", "/c", own, start_time(own)).is_up()
    assert not record.Host("a", "/r", "/c", own, 1).is_up()
    assert not record.Host("a", "/r", "/c").is_up()


def test_records_come_back_and_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record, "RUN", tmp_path / "run")
    host = record.Host("a", "/r", "/c", 1, 2)
    host.save()
    assert (record.load("a"), record.names()) == (host, ["a"])
    assert json.loads((tmp_path / "run/a.json").read_text())["pid"] == 1
    with pytest.raises(LabError, match="ended by itself"):
        record.running("a")
    host.forget()
    assert (record.load("a"), (tmp_path / "run").exists()) == (None, False)


def test_a_piece_knows_its_own_size(tmp_path: Path) -> None:
    assert stream(tmp_path, b"abc").pieces == (
        Piece("w000", 3, hashlib.sha256(b"abc").hexdigest()),
    )


@pytest.mark.parametrize("name", ["../../home", "/srv", "", "A", "-x", "a" * 31])
def test_a_name_is_no_path_that_could_be_removed(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["gpu_host", "down", "--remove", f"--name={name}"])
    with pytest.raises(SystemExit):
        command_line.main()
    assert "must be lower case letters" in capsys.readouterr().err

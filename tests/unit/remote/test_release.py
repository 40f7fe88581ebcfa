"""Installation of a release, with stand-ins for Python and uv that record what they are told."""

from __future__ import annotations

import hashlib
import json
import os
import pwd
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rackwright.remote import release

ROOT = Path(__file__).resolve().parents[3]
ALONE = """
import json, sys
from pathlib import Path
from rackwright.remote import release
release.LOCK, sys.executable = Path(sys.argv[1]), sys.argv[2]
print(release.main(json.loads(sys.argv[3])))
"""
PYTHON = """#!/bin/sh
echo "python $*" >> @/said
case "$*" in
*-m\\ venv*)  mkdir -p "$3/bin"; cp "$0" "$3/bin/python";;
*-m\\ pip*)   cp @/uv.sh "${0%/*}/uv"; [ ! -e @/pip-fails ];;
*sampling*) echo "sampling sees $(cat "${1%/*}/$2.py") as $(id -u)" >> @/said
            [ ! -e @/gpu-fails ] || { echo "the engine cannot sample on H100: no nvcc"; exit 1; }
            while [ -e @/gpu-hangs ]; do sleep 0.05; done
            [ ! -e @/gpu-ill ] || kill -ILL $$
            echo "the engine sampled 8 tokens on H100 in 20 s";;
*-c\\ *)      echo "uid $(id -u) home $HOME $(stat -c %u $HOME) from $PWD extra $EXTRA" >> @/said
              [ ! -e @/smoke-fails ] || { echo "no module named vllm"; exit 1; };;
esac
"""
UV = """#!/bin/sh
echo "uv $*" >> @/said
case "$1" in
venv)  echo "pythons $UV_PYTHON_INSTALL_DIR" >> @/said
       for folder; do :; done; mkdir -p "$folder/bin"; cp @/python.sh "$folder/bin/python";;
pip)   echo " + torch==2.13.0"; echo "Installed 150 packages"
       touch "$(dirname "$(dirname "$4")")/half-installed"
       while [ -e @/hang ]; do sleep 0.05; done
       [ ! -e @/sync-fails ] || { echo "hash mismatch"; exit 2; };;
esac
"""

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="changes user, which only root can")


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that other users may enter, with the stand-ins; ``@`` in them is its path."""
    with tempfile.TemporaryDirectory(prefix="rackwright-test-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        for file, script in (("python.sh", PYTHON), ("uv.sh", UV)):
            (folder / file).write_text(script.replace("@", name))
            (folder / file).chmod(0o755)
        (folder / "said").touch()
        (folder / "said").chmod(0o666)
        monkeypatch.setattr(release, "LOCK", folder / "lock")
        monkeypatch.setattr(sys, "executable", f"{folder}/python.sh")
        yield folder


def venv(fake: Path, version: str) -> dict[str, Any]:
    return {
        "kind": "venv",
        "folder": f"{fake}/vllm/{version}",
        "requirements": f"{fake}/vllm/{version}.txt",
        "smoke_test": "import vllm",
    }


def sampled(fake: Path, version: str) -> dict[str, Any]:
    """A release that is tried on a GPU, as those for GPUs are."""
    scripts = {"sampling": "import sys", "sample_vllm": "def sample(): 1"}
    return {**venv(fake, version), "sample": {"module": "sample_vllm", "scripts": scripts}}


def request(fake: Path, **more: Any) -> dict[str, Any]:
    usual = {
        "do": "install",
        "releases": [venv(fake, "0.32.0")],
        "uv": f"{fake}/uv/abc",
        "uv_requirements": f"{fake}/uv/abc.txt",
        "python": "3.12",
        "compile_bytecode": True,
        "user": "nobody",
        "environment": {"EXTRA": "1"},
    }
    return {**usual, **more}


def missing(fake: Path) -> Any:
    return release.main(request(fake, do="observe"))


def said(fake: Path) -> list[str]:
    return (fake / "said").read_text().replace(str(fake), "@").splitlines()


def test_a_release_is_installed_with_its_installer(
    fake: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert missing(fake) == ["uv", "vllm/0.32.0"]
    assert "engine releases installed in" in release.main(request(fake))
    assert missing(fake) == []
    lines = said(fake)
    nobody = pwd.getpwnam("nobody").pw_uid
    assert lines[:-1] == [
        "python -m venv @/uv/abc",
        "python -m pip install --quiet --require-hashes --only-binary=:all: -r @/uv/abc.txt",
        "uv venv --quiet --python 3.12 @/vllm/0.32.0",
        "pythons @/uv/python",
        "uv pip sync --python @/vllm/0.32.0/bin/python --require-hashes --compile-bytecode "
        "@/vllm/0.32.0.txt",
        "python -c import vllm",
    ]
    home = lines[-1].split()[3]
    assert lines[-1] == f"uid {nobody} home {home} {nobody} from / extra 1"
    assert not Path(home).exists()
    words = capsys.readouterr().err
    assert "Installed 150 packages" in words and "torch==" not in words


def test_wheels_that_are_there_are_what_it_is_installed_from(fake: Path) -> None:
    folder = fake / "wheels/0.32.0"
    folder.mkdir(parents=True)
    (folder / "torch-2.13.0-cp312-none-any.whl").touch()
    release.main(request(fake, wheels={f"{fake}/vllm/0.32.0": str(folder)}))
    (sync,) = [line for line in said(fake) if "pip sync" in line]
    assert "--no-index --find-links @/wheels/0.32.0" in sync and sync.endswith("@/vllm/0.32.0.txt")
    assert missing(fake) == [] and not folder.parent.exists()


def test_what_is_there_is_left_alone(fake: Path) -> None:
    release.main(request(fake))
    marker = fake / "vllm/0.32.0/marker"
    marker.touch()
    before = said(fake)
    release.main(request(fake))
    assert said(fake) == before and marker.exists()


def test_an_upgrade_reuses_the_installer_and_keeps_the_old_release(fake: Path) -> None:
    release.main(request(fake))
    newer = request(fake, releases=[venv(fake, "0.33.0")], compile_bytecode=False)
    assert release.main({**newer, "do": "observe"}) == ["vllm/0.33.0"]
    release.main(newer)
    assert sum("-m venv" in line for line in said(fake)) == 1
    assert "--compile-bytecode" not in said(fake)[-3]
    assert missing(fake) == [] and (fake / "vllm/0.33.0/.complete").exists()


@pytest.mark.parametrize(
    ("fault", "left", "words"),
    [
        ("pip-fails", ["uv", "vllm/0.32.0"], r"-m pip install .* failed with exit code 1"),
        ("sync-fails", ["vllm/0.32.0"], r"uv pip sync .* failed with exit code 2"),
        ("smoke-fails", ["vllm/0.32.0"], r"python -c import vllm` failed with exit code 1"),
    ],
)
def test_a_step_that_fails_leaves_it_incomplete(
    fake: Path, fault: str, left: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (fake / fault).touch()
    with pytest.raises(SystemExit, match=words):
        release.main(request(fake))
    assert missing(fake) == left
    (fake / fault).unlink()
    release.main(request(fake))
    assert missing(fake) == []
    assert "which a cut-off installation left" in capsys.readouterr().err


def test_a_release_is_tried_on_a_gpu_before_it_counts(
    fake: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    release.main(request(fake, releases=[sampled(fake, "0.32.0")]))
    nobody = pwd.getpwnam("nobody").pw_uid
    assert said(fake)[-1] == f"sampling sees def sample(): 1 as {nobody}"
    assert "the engine sampled 8 tokens on H100" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("fault", "words"),
    [("gpu-fails", "failed with exit code 1"), ("gpu-ill", "was killed by SIGILL")],
)
def test_a_release_that_cannot_sample_is_never_whole(
    fake: Path, fault: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """What runs goes on from the release before: the link is switched to whole ones alone."""
    release.main(request(fake))
    newer = request(fake, releases=[sampled(fake, "0.33.0")])
    (fake / fault).touch()
    with pytest.raises(SystemExit, match=words):
        release.main(newer)
    assert release.main({**newer, "do": "observe"}) == ["vllm/0.33.0"]
    assert missing(fake) == []
    if fault == "gpu-fails":
        assert "cannot sample on H100: no nvcc" in capsys.readouterr().err


def test_a_trial_that_never_ends_is_ended(fake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It holds the lock: nobody else could install anything on the host again."""
    monkeypatch.setattr(release, "BOUNDED", ("timeout", "--kill-after=1", "0.2"))
    (fake / "gpu-hangs").touch()
    with pytest.raises(SystemExit, match=r"sampling.py sample_vllm` was not done in"):
        release.main(request(fake, releases=[sampled(fake, "0.32.0")]))
    (fake / "gpu-hangs").unlink()
    monkeypatch.undo()
    monkeypatch.setattr(release, "LOCK", fake / "lock")
    assert missing(fake) == ["vllm/0.32.0"]


def test_what_the_operators_shell_says_does_not_reach_the_trial(
    fake: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A compiler named there would be one that the unit never sees."""
    monkeypatch.setenv("EXTRA", "of the shell")
    release.main(request(fake, environment={}))
    assert said(fake)[-1].endswith(" extra ")


def start(fake: Path) -> subprocess.Popen[str]:
    """An installation in a process of its own."""
    argv = [os.path.realpath("/proc/self/exe"), "-c", ALONE, f"{fake}/lock", f"{fake}/python.sh"]
    path = {"PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
    return subprocess.Popen(
        [*argv, json.dumps(request(fake))],
        env={**os.environ, **path},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_until(true: Any) -> None:
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def test_a_cut_off_installation_is_waited_for_removed_and_done_again(fake: Path) -> None:
    folder = fake / "vllm/0.32.0"
    (fake / "hang").touch()
    first = start(fake)
    try:
        wait_until((folder / "half-installed").exists)
        first.kill()
        first.communicate()
        assert missing(fake) == ["vllm/0.32.0"]
        (folder / "cut-off").touch()
        second = start(fake)
        assert second.stderr is not None
        assert "another installation runs on this host" in second.stderr.readline()
        assert sum("pip sync" in line for line in said(fake)) == 1, "two ran at once"
    finally:
        (fake / "hang").unlink()
    words = second.communicate(timeout=120)
    assert second.returncode == 0, words
    assert f"removing {folder}" in words[1]
    assert missing(fake) == [] and not (folder / "cut-off").exists()
    assert sum("-m venv" in line for line in said(fake)) == 1, "the installer was whole"


def test_a_second_run_that_waited_finds_it_done(fake: Path) -> None:
    (fake / "hang").touch()
    first = start(fake)
    wait_until((fake / "vllm/0.32.0/half-installed").exists)
    second = start(fake)
    assert second.stderr is not None
    assert "waiting" in second.stderr.readline()
    (fake / "hang").unlink()
    assert first.communicate(timeout=120) and second.communicate(timeout=120)
    assert (first.returncode, second.returncode) == (0, 0)
    assert sum("pip sync" in line for line in said(fake)) == 1


# --- archives ----------------------------------------------------------------------------------


def archive(fake: Path, program: str = "echo ok", compress: str = "gz") -> dict[str, Any]:
    """An engine as an archive of bin/engine, as a vendor packs it."""
    root = fake / "packed"
    (root / "bin").mkdir(parents=True)
    (root / "bin/engine").write_text(
        f"#!/bin/sh\necho $(id -u) $HOME $1 >> {fake}/said\n{program}\n"
    )
    (root / "bin/engine").chmod(0o755)
    packed = fake / f"engine.tar.{compress}"
    subprocess.run(["tar", "-C", str(root), "-caf", str(packed), "bin"], check=True)
    digest = hashlib.sha256(packed.read_bytes()).hexdigest()
    return {
        "kind": "archive",
        "folder": f"{fake}/engine/1.0",
        "downloads": {name: [f"file://{packed}", digest] for name in ("amd64", "arm64")},
        "smoke_test": ["bin/engine", "--version"],
    }


@pytest.mark.parametrize("compress", ["gz", "zst"])
def test_an_archive_is_unpacked_and_tried_without_roots_rights(fake: Path, compress: str) -> None:
    wanted = request(fake, releases=[archive(fake, compress=compress)])
    assert release.main({**wanted, "do": "observe"}) == ["engine/1.0"]
    release.main(wanted)
    assert release.main({**wanted, "do": "observe"}) == []
    (line,) = said(fake)
    assert line.split()[0] == str(pwd.getpwnam("nobody").pw_uid) and line.endswith("--version")
    assert sorted(each.name for each in (fake / "engine").iterdir()) == ["1.0"]


def test_an_archive_of_another_digest_installs_nothing(fake: Path) -> None:
    one = archive(fake)
    one["downloads"] = {name: [url, "0" * 64] for name, (url, _) in one["downloads"].items()}
    with pytest.raises(SystemExit, match=r"not 0000.*: it was removed"):
        release.main(request(fake, releases=[one]))
    assert not list((fake / "engine").iterdir())


def test_an_engine_that_does_not_run_here_is_never_complete(fake: Path) -> None:
    wanted = request(fake, releases=[archive(fake, "echo no such library; exit 127")])
    with pytest.raises(SystemExit, match=r"bin/engine --version` failed with exit code 127"):
        release.main(wanted)
    assert release.main({**wanted, "do": "observe"}) == ["engine/1.0"]


def test_an_archive_without_its_program_is_said(fake: Path) -> None:
    one = {**archive(fake), "smoke_test": ["bin/absent"]}
    with pytest.raises(SystemExit, match="bin/absent` cannot be run: No such file"):
        release.main(request(fake, releases=[one]))


def test_another_architecture_is_refused(fake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = archive(fake)
    one["downloads"] = {"arm64": one["downloads"]["arm64"]}
    monkeypatch.setattr(release.os, "uname", lambda: SimpleNamespace(machine="x86_64"))
    with pytest.raises(SystemExit, match=r"engine/1.0 is given for arm64, this host is x86_64"):
        release.main(request(fake, releases=[one]))


def test_several_engines_are_installed_one_after_another(fake: Path) -> None:
    wanted = request(fake, releases=[venv(fake, "0.32.0"), archive(fake)])
    assert release.main({**wanted, "do": "observe"}) == ["uv", "vllm/0.32.0", "engine/1.0"]
    release.main(wanted)
    assert release.main({**wanted, "do": "observe"}) == []


def test_a_cut_off_archive_is_unpacked_again_without_a_download(fake: Path) -> None:
    one = archive(fake)
    wanted = request(fake, releases=[one])
    (fake / "engine/1.0").mkdir(parents=True)
    packed = Path(one["downloads"]["amd64"][0].removeprefix("file://"))
    packed.rename(fake / "engine/1.0.download")  # there, and its source is gone
    release.main(wanted)
    assert release.main({**wanted, "do": "observe"}) == []


def test_from_a_bundle_nothing_else_is_asked(fake: Path) -> None:
    for name in ("python.sh", "uv.sh"):
        script = (fake / name).read_text()
        tells = f"env | grep -E '^(UV|PIP)_' | sort >> {fake}/told\n"
        (fake / name).write_text(script.replace("#!/bin/sh\n", f"#!/bin/sh\n{tells}", 1))
    url = "http://127.0.0.1:4711/word"
    release.main(request(fake, bundle={"url": url, "python": "3.11"}))
    told = set((fake / "told").read_text().splitlines())
    assert told >= {
        "PIP_CONFIG_FILE=/dev/null", f"PIP_FIND_LINKS={url}/wheels/",
        f"UV_FIND_LINKS={url}/wheels/", f"UV_PYTHON_INSTALL_MIRROR={url}/pythons",
    }  # fmt: skip
    pip, venv, sync = (line for line in said(fake) if " pip " in line or "uv venv" in line)
    assert "--no-index" in pip and "--no-config --no-index" in sync
    assert venv == "uv venv --quiet --no-config --python 3.11 @/vllm/0.32.0"
    assert not any(url in line for line in said(fake))


def test_a_mirror_of_packages_is_asked_instead_of_the_hosts_own(fake: Path) -> None:
    release.main(request(fake, index="https://mirror.example/simple", builds=None))
    pip, sync = (line for line in said(fake) if " pip " in line)
    assert "--index-url https://mirror.example/simple" in pip
    assert "--default-index https://mirror.example/simple" in sync

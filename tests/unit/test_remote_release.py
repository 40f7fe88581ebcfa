"""Installation of a release, with stand-ins for Python and uv that record what they are told."""

from __future__ import annotations

import json
import os
import pwd
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rackwright.runner.remote import release

ROOT = Path(__file__).resolve().parents[2]
ALONE = """
import json, sys
from pathlib import Path
from rackwright.runner.remote import release
release.LOCK, sys.executable = Path(sys.argv[1]), sys.argv[2]
print(release.main(json.loads(sys.argv[3])))
"""
PYTHON = """#!/bin/sh
echo "python $*" >> @/said
case "$*" in
*-m\\ venv*)  mkdir -p "$3/bin"; cp "$0" "$3/bin/python";;
*-m\\ pip*)   cp @/uv.sh "${0%/*}/uv"; [ ! -e @/pip-fails ];;
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


def request(fake: Path, **more: Any) -> dict[str, Any]:
    usual = {
        "do": "install",
        "release": f"{fake}/vllm/0.32.0",
        "requirements": f"{fake}/vllm/0.32.0.txt",
        "uv": f"{fake}/uv/abc",
        "uv_requirements": f"{fake}/uv/abc.txt",
        "python": "3.12",
        "compile_bytecode": True,
        "smoke_test": "import vllm",
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
    assert missing(fake) == ["uv", "release"]
    assert "engine release installed in" in release.main(request(fake))
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


def test_what_is_there_is_left_alone(fake: Path) -> None:
    release.main(request(fake))
    marker = fake / "vllm/0.32.0/marker"
    marker.touch()
    before = said(fake)
    release.main(request(fake))
    assert said(fake) == before and marker.exists()


def test_an_upgrade_reuses_the_installer_and_keeps_the_old_release(fake: Path) -> None:
    release.main(request(fake))
    newer = request(fake, release=f"{fake}/vllm/0.33.0", compile_bytecode=False)
    assert release.main({**newer, "do": "observe"}) == ["release"]
    release.main(newer)
    assert sum("-m venv" in line for line in said(fake)) == 1
    assert "--compile-bytecode" not in said(fake)[-3]
    assert missing(fake) == [] and (fake / "vllm/0.33.0/.complete").exists()


@pytest.mark.parametrize(
    ("fault", "left", "words"),
    [
        ("pip-fails", ["uv", "release"], r"-m pip install .* failed with exit code 1"),
        ("sync-fails", ["release"], r"uv pip sync .* failed with exit code 2"),
        ("smoke-fails", ["release"], r"python -c import vllm` failed with exit code 1"),
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
    deadline = time.monotonic() + 10
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
        assert missing(fake) == ["release"]
        (folder / "cut-off").touch()
        second = start(fake)
        assert second.stderr is not None
        assert "another installation runs on this host" in second.stderr.readline()
        assert sum("pip sync" in line for line in said(fake)) == 1, "two ran at once"
    finally:
        (fake / "hang").unlink()
    words = second.communicate(timeout=20)
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
    assert first.communicate(timeout=20) and second.communicate(timeout=20)
    assert (first.returncode, second.returncode) == (0, 0)
    assert sum("pip sync" in line for line in said(fake)) == 1

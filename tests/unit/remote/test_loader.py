"""A script that only looks ends with its connection, with all that it started; others finish."""

from __future__ import annotations

import base64
import contextlib
import json
import marshal
import os
import subprocess
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rackwright.remote import (
    bandwidth,
    boot,
    burn_in,
    glance,
    probe,
    serving,
    starts,
    state,
    watching,
)
from rackwright.remote import loader as loader_script
from rackwright.remote.loader import Travelled
from rackwright.runner.travelling import loader
from tests.samples.travelling import OWN

GRACE_S = {True: 5, False: 0.5}
"""What has something to undo has as long as on a host; nothing else needs any."""
WITHIN_S = 30
LOOKS = """
import os, pathlib, subprocess, threading, time
from concurrent.futures import ThreadPoolExecutor
ONLY_LOOKS = True
def mark(folder, name):
    (pathlib.Path(folder) / name).write_text(str(os.getpid()))
"""
WAITS = """
def main(folder):
    child = subprocess.Popen(["sleep", "600"])
    (pathlib.Path(folder) / "child").write_text(str(child.pid))
    mark(folder, "own")
    child.wait()
"""
DEAF = """
def main(folder):
    child = subprocess.Popen(["sh", "-c", "trap '' TERM; sleep 600 & wait; wait"])
    (pathlib.Path(folder) / "child").write_text(str(child.pid))
    mark(folder, "own")
    with ThreadPoolExecutor(2) as side_by_side:
        list(side_by_side.map(time.sleep, [600, 600]))
"""
CLEANS = """
def main(folder):
    mark(folder, "child")
    mark(folder, "own")
    try:
        time.sleep(600)
    finally:
        mark(folder, "cleaned")
"""


def quick(grace_s: float) -> str:
    return loader().replace("BEAT_S, GRACE_S = 2, 5", f"BEAT_S, GRACE_S = 0.1, {grace_s}")


def line(text: str, *arguments: Any) -> str:
    packed = json.dumps({"rackwright.remote.own": text})
    modules = base64.b64encode(zlib.compress(packed.encode())).decode()
    return json.dumps(
        {"modules": modules, "script": "rackwright.remote.own", "arguments": arguments}
    )


def is_there(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def wait_for(path: Path) -> int:
    end_s = time.monotonic() + WITHIN_S
    while time.monotonic() < end_s:
        with contextlib.suppress(OSError, ValueError):
            return int(path.read_text())
        time.sleep(0.02)
    raise AssertionError(f"{path} did not come")


def gone(*pids: int) -> bool:
    end_s = time.monotonic() + WITHIN_S
    while time.monotonic() < end_s:
        if not any(map(is_there, pids)):
            return True
        time.sleep(0.02)
    return False


Connection = tuple[subprocess.Popen[str], Any]


@pytest.fixture(params=["straight", "relayed"])
def connected(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    """Starts a script as sshd does, straight or with another between that passes on: sudo."""
    started: list[subprocess.Popen[str]] = []

    def start(text: str) -> Connection:
        own = [*OWN, "-c", quick(GRACE_S[CLEANS in text])]
        if request.param == "relayed":
            own = ["sh", "-c", '"$@" | cat', "sh", *own]
        running = subprocess.Popen(
            own, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        started.append(running)
        assert running.stdin is not None
        running.stdin.write(line(text, str(tmp_path)) + "\n")
        running.stdin.close()
        return running, running.stdout

    yield start
    for running in started:
        with contextlib.suppress(OSError):
            os.killpg(running.pid, 9)
        running.wait()


@pytest.mark.parametrize("text", [WAITS, DEAF, CLEANS], ids=["waits", "deaf", "cleans"])
def test_it_ends_with_its_connection(connected: Any, tmp_path: Path, text: str) -> None:
    _, out = connected(LOOKS + text)
    pids = wait_for(tmp_path / "own"), wait_for(tmp_path / "child")
    assert all(map(is_there, pids))
    out.close()
    assert gone(*pids)
    assert (tmp_path / "cleaned").exists() == (text is CLEANS), "what it has to undo is undone"


def test_what_changes_a_host_is_finished(connected: Any, tmp_path: Path) -> None:
    text = LOOKS.replace("ONLY_LOOKS = True", "") + (
        "def main(folder):\n    mark(folder, 'own')\n    time.sleep(1)\n    mark(folder, 'done')\n"
    )
    _, out = connected(text)
    wait_for(tmp_path / "own")
    out.close()
    assert wait_for(tmp_path / "done")


def test_a_reply_that_took_its_time_is_the_last_line_and_whole(connected: Any) -> None:
    """Empty lines go before it, and none into it, though it is longer than a pipe holds."""
    text = LOOKS + "def main(folder):\n    time.sleep(0.5)\n    return ['x' * 1000000, 'end']\n"
    running, out = connected(text)
    time.sleep(1)
    *before, last = out.read().splitlines()
    assert before and not any(before)
    assert json.loads(last) == ["x" * 1000000, "end"]
    assert running.wait(WITHIN_S) == 0


WAITING = """
import sys
ONLY_LOOKS = True
def main(*told):
    return {"told": told, "loaded": "rackwright.remote.beside" in sys.modules}
"""


@pytest.fixture
def waiting() -> Iterator[subprocess.Popen[str]]:
    """A script whose arguments are not known yet, and which has loaded what it may call."""
    sources = {
        "rackwright.remote.own": WAITING,
        "rackwright.remote.beside": "print('loaded', flush=True)",
    }
    first: dict[str, Any] = {"modules": packed(**sources), "script": "rackwright.remote.own"}
    first["loads"] = ["rackwright.remote.beside"]
    own = [*OWN, "-c", loader()]
    with subprocess.Popen(own, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdin is not None and running.stdout is not None
        print(json.dumps(first), file=running.stdin, flush=True)
        assert running.stdout.readline() == "loaded\n"
        yield running


def test_a_script_may_be_told_later_what_it_is_called_with(waiting: Any) -> None:
    out, _ = waiting.communicate('["a", 1]\n', WITHIN_S)
    assert json.loads(out) == {"told": ["a", 1], "loaded": True}


def test_one_that_is_told_nothing_ends_without_a_word(waiting: Any) -> None:
    assert waiting.communicate("", WITHIN_S)[0] == ""
    assert waiting.returncode == 0


@pytest.mark.parametrize("script", [serving, watching, probe, glance, starts, bandwidth, burn_in])
def test_whatever_only_looks_says_so(script: Any) -> None:
    assert script.ONLY_LOOKS
    assert not hasattr(state, "ONLY_LOOKS")


# --- what is compiled is kept ----------------------------------------------------------------


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where compiled modules are kept; whoever runs this is root."""
    monkeypatch.setattr(loader_script, "KEPT", tmp_path / "code")
    monkeypatch.setattr(loader_script.os, "geteuid", lambda: 0)
    if os.getuid() != 0:
        monkeypatch.setattr(loader_script, "_is_ours", lambda folder: folder.is_dir())
    return tmp_path / "code"


def packed(**sources: str) -> str:
    return base64.b64encode(zlib.compress(json.dumps(sources).encode())).decode()


def value_of(travelled: Any) -> Any:
    names: dict[str, Any] = {}
    exec(marshal.loads(travelled.codes["a"]), names)
    return names["A"]


def test_what_was_compiled_here_is_not_compiled_again(kept: Path) -> None:
    assert value_of(Travelled(packed(a="A = 1"), "digest")) == 1
    (file,) = kept.iterdir()
    assert (kept.stat().st_mode & 0o777, file.name.startswith("digest-")) == (0o700, True)
    assert value_of(Travelled(packed(a="A = 2"), "digest")) == 1, "by the digest"
    assert value_of(Travelled(packed(a="A = 2"), "other")) == 2


def test_a_traceback_still_quotes_what_travelled(kept: Path) -> None:
    Travelled(packed(a="A = 1"), "digest")
    assert Travelled(packed(a="A = 1"), "digest").get_source("a") == "A = 1"


@pytest.mark.parametrize("broken", [b"", b"half", b"\xe9\x05\x00\x00\x00"])
def test_what_was_cut_off_is_compiled_again(kept: Path, broken: bytes) -> None:
    Travelled(packed(a="A = 1"), "digest")
    (file,) = kept.iterdir()
    file.write_bytes(broken)
    assert value_of(Travelled(packed(a="A = 1"), "digest")) == 1


def test_a_folder_that_others_may_write_is_neither_read_nor_written(
    kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Travelled(packed(a="A = 1"), "digest")
    monkeypatch.undo()
    monkeypatch.setattr(loader_script, "KEPT", kept)
    kept.chmod(0o777)
    assert value_of(Travelled(packed(a="A = 2"), "digest")) == 2
    assert value_of(Travelled(packed(a="A = 3"), "other")) == 3
    assert len(list(kept.iterdir())) == 1


def test_who_is_not_root_keeps_nothing(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loader_script.os, "geteuid", lambda: 1000)
    assert value_of(Travelled(packed(a="A = 1"), "digest")) == 1
    assert not kept.exists()


def test_the_oldest_make_way(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loader_script, "MOST_KEPT", 2)
    for number in range(4):
        Travelled(packed(a=f"A = {number}"), f"digest{number}")
        (kept / loader_script._place(f"digest{number}").name).touch()
        os.utime(loader_script._place(f"digest{number}"), (number, number))
    names = {path.name.partition("-")[0] for path in kept.iterdir()}
    assert names == {"digest2", "digest3"}


# --- where it was compiled before, nothing travels again ---------------------------------------

BOOT = Path(boot.__file__).read_text()
ASKED = json.dumps({"script": "rackwright.remote.own", "loads": []})


@pytest.fixture
def booted(kept: Path) -> Any:
    """Starts a script by what is kept of a digest here."""

    def start(digest: str, told: str = '["a"]\n') -> subprocess.CompletedProcess[str]:
        text = BOOT.replace(f'"{boot.KEPT}"', repr(str(kept)))
        text += f"\nmain({digest!r}, sys.stdin.readline())\n"
        given = f"{ASKED}\n{told}"
        return subprocess.run([*OWN, "-c", text], input=given, capture_output=True, text=True)

    return start


def keep_one(digest: str = "digest") -> None:
    loader_source = Path(loader_script.__file__).read_text()
    Travelled(packed(**{"rackwright.remote.own": WAITING, boot.LOADER: loader_source}), digest)


@pytest.mark.skipif(os.getuid() != 0, reason="what is kept is root's alone")
def test_a_host_that_has_it_is_sent_nothing(booted: Any) -> None:
    keep_one()
    done = booted("digest")
    assert (json.loads(done.stdout)["told"], done.stderr) == (["a"], "")
    assert booted("digest", "").stdout == "", "told nothing, it ends"


@pytest.mark.skipif(os.getuid() != 0, reason="what is kept is root's alone")
@pytest.mark.parametrize("what", ["absent", "broken", "without loader", "open to others"])
def test_one_that_has_not_ends_without_a_word(kept: Path, booted: Any, what: str) -> None:
    if what != "absent":
        keep_one()
        (file,) = kept.iterdir()
    if what == "broken":
        file.write_bytes(b"half")
    if what == "without loader":
        file.write_bytes(marshal.dumps({"rackwright.remote.own": b""}))
    if what == "open to others":
        kept.chmod(0o755)
    done = booted("digest")
    assert (done.returncode, done.stdout, done.stderr) == (boot.LACKS, "", "")


def test_both_look_in_the_same_place(kept: Path) -> None:
    own = Path(boot.__file__).read_text()
    assert str(loader_script.KEPT) == str(kept) and 'KEPT = "/run/rackwright-code"' in own
    line = 'f"{digest}-{sys.implementation.cache_tag}-{sys.hexversion:x}.parts"'
    assert line in Path(loader_script.__file__).read_text() and line[2:] in own

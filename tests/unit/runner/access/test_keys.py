"""Keys that want a passphrase, and those of an agent: made and held by OpenSSH's own programs."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from rackwright.runner.access.keys import agents_key, encrypted, opens


def made(folder: Path, name: str, *words: str, passphrase: str = "") -> str:
    path = folder / name
    argv = ["ssh-keygen", "-q", "-N", passphrase, "-f", str(path), *words]
    subprocess.run(argv, check=True)
    return str(path)


@pytest.mark.parametrize("words", ["-t ed25519", "-t ecdsa", "-t rsa -b 2048 -m PEM"])
def test_a_key_that_wants_a_passphrase_is_known(tmp_path: Path, words: str) -> None:
    locked = made(tmp_path, "locked", *words.split(), passphrase="an owl")
    plain = made(tmp_path, "plain", *words.split())
    assert encrypted([plain, "/absent", locked]) == locked
    assert encrypted([plain]) is None
    assert opens(locked, "an owl")
    assert not opens(locked, "a wren")
    assert opens(plain, "any")


@pytest.fixture
def agent(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    folder = Path(tempfile.mkdtemp(prefix="rw-"))  # short, as a socket's path must be
    running = subprocess.Popen(
        ["ssh-agent", "-D", "-a", str(folder / "agent")], stdout=subprocess.PIPE
    )
    assert running.stdout is not None
    running.stdout.readline()  # it says its socket when that is there
    monkeypatch.setenv("SSH_AUTH_SOCK", str(folder / "agent"))
    yield
    running.terminate()
    running.communicate()
    shutil.rmtree(folder)


def test_the_key_that_the_host_wants_is_found_in_the_agent(agent: None, tmp_path: Path) -> None:
    keys = [made(tmp_path, f"id{number}", "-t", "ed25519") for number in range(3)]
    for key in keys[:2]:
        subprocess.run(["ssh-add", "-q", key], check=True)
    found = agents_key(["/absent", keys[2], keys[1]], None)
    assert found is not None
    assert found.get_base64() == Path(f"{keys[1]}.pub").read_text().split()[1]
    assert agents_key(keys[2:], None) is None


def test_without_an_agent_there_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    key = made(tmp_path, "id", "-t", "ed25519")
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    assert agents_key([key], None) is None
    monkeypatch.setenv("SSH_AUTH_SOCK", "/absent")
    assert agents_key([key], None) is None

"""Why a host could not be reached, in words."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from paramiko import (
    AuthenticationException,
    BadHostKeyException,
    Ed25519Key,
    PKey,
    RSAKey,
    SSHException,
)

from rackwright.runner.access.jump import Tunnel
from rackwright.runner.access.refusals import why
from tests.samples.access import SETTINGS

CHANGED_ON_THE_WAY = """@@@@@@@@@@@@@@@@@@@@@@@
@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @
@@@@@@@@@@@@@@@@@@@@@@@
Offending ED25519 key in /home/me/.ssh/known_hosts:7
Host key for [gate.example]:2222 has changed and you have requested strict checking.
Host key verification failed.
"""


def known(folder: Path, hashed: bool) -> tuple[Path, PKey]:
    """A file that knows the host on its third line, and the key it knows."""
    subprocess.run(["ssh-keygen", "-qt", "ed25519", "-N", "", "-f", str(folder / "k")], check=True)
    key = Ed25519Key(filename=str(folder / "k"))
    file = folder / "known hosts"
    line = f"{SETTINGS.known_as} {key.get_name()} {key.get_base64()}\n"
    file.write_text(f"# mine\nother {key.get_name()} {key.get_base64()}\n{line}")
    if hashed:
        subprocess.run(["ssh-keygen", "-qH", "-f", str(file)], check=True, capture_output=True)
    return file, key


@pytest.mark.parametrize("hashed", [True, False])
def test_another_host_key_names_host_file_line_and_how_to_remove_it(
    tmp_path: Path, hashed: bool
) -> None:
    file, key = known(tmp_path, hashed)
    shown = RSAKey.generate(1024)
    settings = replace(SETTINGS, known_hosts=("/absent", str(file)))
    error = BadHostKeyException(SETTINGS.known_as, shown, key)
    said = why("gpu1", settings, error, "", None)
    assert said.startswith(f"gpu1 ({SETTINGS.known_as}) shows another host key (ssh-rsa SHA256:")
    assert f"than {file} line 3 has (ssh-ed25519 SHA256:" in said
    assert said.endswith(f"ssh-keygen -f '{file}' -R '{SETTINGS.known_as}'")


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (
            CHANGED_ON_THE_WAY,
            "[gate.example]:2222 shows another host key than /home/me/.ssh/known_hosts line 7 has",
        ),
        ("ops@gate: Permission denied (publickey).\nConnection closed\n", "ops@gate: Permission"),
        ("Host key verification failed.\n", "run `ssh` to it once"),
    ],
)
def test_what_ssh_says_on_the_way_is_said(said: str, words: str) -> None:
    way = Tunnel("gate", ["cat", "/dev/stdin"])
    way._said.write(said.encode())
    told = why("gpu1", SETTINGS, SSHException("EOF"), "SSH error (EOF)", way)
    way.close()
    assert told.startswith("not reached through gate: ")
    assert words in told


def test_a_refused_user_is_told_with_the_keys_that_were_tried() -> None:
    settings = replace(SETTINGS, identities=("/k1", "/k2"))
    said = why("gpu1", settings, AuthenticationException("Authentication failed."), "", None)
    assert "ops@192.0.2.9 port 2200 accepts none of the operator's keys (/k1, /k2;" in said


def test_anything_else_is_in_its_own_words() -> None:
    assert why("gpu1", SETTINGS, OSError(), "Could not connect", None) == "Could not connect"

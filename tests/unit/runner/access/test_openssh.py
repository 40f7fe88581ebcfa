"""What `ssh -G` says of hosts that are connected to at the same time, in few processes."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gevent
import pytest

from rackwright.errors import HostError
from rackwright.runner.access import openssh
from rackwright.runner.access.openssh import answer


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "config"
    file.write_text("Host b*\n  User bo\nHost e*\n  Port 22000\n")
    return file


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Sequence[str]]:
    """The processes that are started, on a machine of two cores."""
    argvs: list[Sequence[str]] = []
    real = subprocess.run

    def run(argv: Sequence[str], **options: Any) -> Any:
        argvs.append(argv)
        return real(argv, **options)

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr(openssh, "AT_ONCE", 2)
    return argvs


def asked(config: Path, *names: str) -> list[Any]:
    argvs = [("ssh", "-G", "-T", "-F", str(config), "--", name) for name in names]
    asking = [gevent.spawn(answer, argv) for argv in argvs]
    gevent.joinall(asking)
    return [one.value or one.exception for one in asking]


def test_all_that_ask_at_once_ask_in_few_processes(
    config: Path, started: list[Sequence[str]]
) -> None:
    names = ["alpha", "beta", "gamma", "delta", "epsilon"]
    said = asked(config, *names)
    assert len(started) == 2
    alone = [asked(config, name)[0] for name in names]
    assert len(started) == 7
    assert said == alone
    assert all(f"host {name}\n" in text for name, text in zip(names, said, strict=True))
    assert "user bo\n" in said[1] and "port 22000\n" in said[4]


def test_one_that_ssh_refuses_is_told_in_its_words_and_the_others_are_answered(
    config: Path, started: list[Sequence[str]]
) -> None:
    said = asked(config, "alpha", "a;b c", "beta", "'; echo hostname x; '")
    for refused in (said[1], said[3]):
        assert isinstance(refused, HostError) and "says: hostname contains invalid" in str(refused)
    assert "host alpha\n" in said[0] and "host beta\n" in said[2]


def test_without_openssh_that_is_said(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(config.parent))
    for said in asked(config, "alpha", "beta"):
        assert isinstance(said, HostError)
        assert str(said).startswith("OpenSSH's client is needed: ")

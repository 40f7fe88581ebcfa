"""A run is known by its name; one that has ended stands in nobody's way."""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path

import pytest

from rackwright.runner.steps import owners
from rackwright.runner.steps.owners import MOST_CHARACTERS, is_dead, new_owner

MACHINE = socket.gethostname()[:40]


def ended() -> str:
    """A run on this machine that is over."""
    done = subprocess.Popen(["true"])
    done.wait()
    return new_owner().replace(f"/{os.getpid()}/", f"/{done.pid}/")


def test_each_run_has_a_name_of_its_own_that_gateways_take() -> None:
    names = {new_owner() for _ in range(50)}
    assert len(names) == 50
    assert all(len(name) <= MOST_CHARACTERS and name.isprintable() for name in names)


def test_a_run_on_this_machine_is_dead_when_its_process_is_gone() -> None:
    assert is_dead(ended())
    assert not is_dead(new_owner())
    assert not is_dead(new_owner().replace(f"/{os.getpid()}/", "/1/"))  # root's, where we are not


def test_of_another_machine_nobody_can_say() -> None:
    assert not is_dead("ops@elsewhere/1/a1b2c3")
    for garbled in ("", "ops", "ops@", f"ops@{MACHINE}", f"ops@{MACHINE}/x/y"):
        assert not is_dead(garbled)


def test_nor_of_another_one_or_a_container_that_has_this_ones_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    owner = ended()
    (tmp_path / "boot_id").write_text("another\n")
    monkeypatch.setattr(owners, "BOOT", tmp_path / "boot_id")
    assert not is_dead(owner)
    monkeypatch.undo()
    (tmp_path / "pid").symlink_to("pid:[4026539999]")
    monkeypatch.setattr(owners, "PROCESSES", tmp_path / "pid")
    assert not is_dead(owner)


def test_where_there_is_no_proc_a_run_that_lives_is_not_dead(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(owners, "BOOT", tmp_path / "none")
    monkeypatch.setattr(owners, "Path", lambda *words: tmp_path / "none", raising=False)
    assert not is_dead(new_owner())
    assert is_dead(ended())

"""A driver that hangs: who asks it cannot be killed. The watchdog goes on, with one such at most.

The stand-in is a process that is asked to end and does not: SIGKILL is kept from it.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rackwright.remote.guard import bounded_command, evidence, kept, nvml, server_gpus
from rackwright.remote.guard.bounded_command import BoundedCommand, CannotEnd, Left, left_in
from rackwright.remote.guard.server_gpus import HANGS_S, ServerGpus

HANG = (sys.executable, "-c", "import signal; signal.pause()")
GPU = {"number": 0, "uuid": "GPU-a", "pci_bus_id": "00000000:17:00.0"}
Started = list[subprocess.Popen[bytes]]


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> Iterator[Started]:
    """Processes that were started, none of which SIGKILL ends until the test does."""
    found: Started = []
    really = subprocess.Popen

    def start(*arguments: Any, **more: Any) -> subprocess.Popen[bytes]:
        found.append(really(*arguments, **more))
        return found[-1]

    with monkeypatch.context() as standing_in:
        standing_in.setattr(subprocess, "Popen", start)
        standing_in.setattr(bounded_command.os, "killpg", lambda *_: None)
        standing_in.setattr(bounded_command, "END_S", 0.05)
        yield found
    for process in found:
        process.kill()
        process.wait()


def test_one_that_cannot_be_ended_is_left_and_no_other_is_started(started: Started) -> None:
    command = BoundedCommand()
    for _ in range(3):
        with pytest.raises(CannotEnd, match=r"process \d+ hangs and cannot be ended for \d+ s"):
            command.output(HANG, 0.05)
    (one,) = started
    assert command.hangs_s() > 0
    one.kill()
    one.wait()
    assert command.hangs_s() == 0
    assert command.output((sys.executable, "-c", "print(7)"), 30) == b"7\n"
    assert command.left is None


def test_one_that_can_be_ended_is_and_the_next_is_started() -> None:
    command = BoundedCommand()
    with pytest.raises(subprocess.TimeoutExpired):
        command.output(HANG, 0.05)
    assert command.hangs_s() == 0
    said = command.output((sys.executable, "-c", "import sys; sys.exit('no')"), 30)
    assert said == b"no\n"
    with pytest.raises(OSError, match="nowhere"):
        command.output(("/nowhere",), 1)


def test_two_who_ask_at_once_are_two_one_after_the_other(started: Started) -> None:
    command, ended = BoundedCommand(), []

    def ask() -> None:
        try:
            command.output(HANG, 0.5)
        except (CannotEnd, subprocess.TimeoutExpired) as error:
            ended.append(error)

    both = [threading.Thread(target=ask) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join()
    assert (len(ended), len(started)) == (2, 1)


def test_what_an_earlier_start_of_the_watchdog_left_counts_until_it_is_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    groups = {
        os.getpid(): ["/system.slice/dog.service"],
        7: ["/system.slice/dog.service"],
        8: ["/"],
    }
    monkeypatch.setattr(bounded_command, "all_pids", lambda: list(groups))
    monkeypatch.setattr(bounded_command, "cgroups_of", lambda pid: groups[pid])
    assert left_in("other.service") is None
    left = left_in("dog.service")
    assert left is not None and left.pid == 7 and left.is_there()
    command = BoundedCommand()
    command.left = left
    with pytest.raises(CannotEnd, match="process 7"):
        command.output(HANG, 1)
    groups[7] = ["/another that has its number"]
    assert not left.is_there() and command.hangs_s() == 0


# --- the server's GPUs ---------------------------------------------------------------------------


@pytest.fixture
def gpus(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[float], tuple[ServerGpus, list[str]]]]:
    """Of a server whose driver hangs for so many seconds; and what it said."""
    monkeypatch.setattr(server_gpus, "KernelLog", lambda _: None)
    monkeypatch.setattr(evidence, "of_server", lambda *_: None)
    driver = BoundedCommand()
    monkeypatch.setattr(server_gpus, "DRIVER", driver)
    config = {
        "unit": "none.service",
        "gpus": [GPU],
        "fatal_xids": {},
        "fatal_by_text": {},
    }

    def of(hangs_s: float) -> tuple[ServerGpus, list[str]]:
        said: list[str] = []
        made = ServerGpus(config, tmp_path, said.append)
        monkeypatch.setattr(made.nvml, "ask", lambda: None)
        driver.left = Left(os.getpid())
        driver.left.since_s -= hangs_s
        made.look()
        return made, said

    yield of


def test_a_driver_that_hangs_is_said_once_and_is_no_fault_by_itself(
    gpus: Callable[[float], tuple[ServerGpus, list[str]]],
) -> None:
    """What runs on the GPUs may go on for weeks: of some drivers NVML alone hangs."""
    found, said = gpus(HANGS_S + 1)
    for _ in range(5):
        found.look()
    assert len(said) == 1 and "the GPUs' driver hangs: process" in said[0]
    assert re.search(r"cannot be ended for [3-9]\d s", found.driver_hangs())
    assert found.quarantine is None
    server_gpus.DRIVER.left = None
    found.look()
    assert said[1:] == ["the GPUs' driver answers again"] and found.driver_hangs() == ""


def test_with_a_replica_that_hangs_it_is_a_fault_of_the_gpus(
    gpus: Callable[[float], tuple[ServerGpus, list[str]]],
) -> None:
    found, _ = gpus(HANGS_S + 1)
    found.hang_together("chat-gpu1-0", "no answer for 20 s")
    found.look()
    noted = kept.read(found.file) or {}
    assert found.quarantine is not None and noted["gpus"] == ["GPU-a"]
    assert noted["why"].endswith("and so does chat-gpu1-0: no answer for 20 s")


def test_one_that_was_only_just_killed_is_none(
    gpus: Callable[[float], tuple[ServerGpus, list[str]]],
) -> None:
    found, said = gpus(HANGS_S - 5)
    found.hang_together("chat-gpu1-0", "no answer for 20 s")
    found.look()
    assert (found.quarantine, found.driver_hangs(), said) == (None, "", [])


def test_nvml_that_cannot_be_ended_is_an_answer_that_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, started: Started
) -> None:
    """And it can be asked again: nobody's thread is held by it."""
    program = tmp_path / "hangs"
    program.write_text("import signal; signal.pause()")
    monkeypatch.setattr(nvml, "DRIVER", BoundedCommand())
    monkeypatch.setattr(nvml, "LIMIT_S", 0.05)
    monkeypatch.setattr(sys, "argv", [str(program)])
    for _ in range(2):
        answer = nvml.asked_apart()
        assert not answer.gpus and "cannot be ended" in answer.error
    assert len(started) == 1


def test_evidence_of_a_driver_that_hangs_says_so_and_keeps_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, started: Started
) -> None:
    smi = tmp_path / "nvidia-smi"
    smi.write_text(f"#!{sys.executable}\nimport signal\nsignal.pause()\n")
    smi.chmod(0o755)
    monkeypatch.setattr(evidence, "PROGRAMS", str(tmp_path))
    monkeypatch.setattr(evidence, "COMMAND_S", 0.05)
    monkeypatch.setattr(evidence, "DRIVER", BoundedCommand())
    for name in ("one", "two"):
        path = evidence.of_server(tmp_path / "evidence", f"{name} hangs", [name])
        assert "cannot be ended" in (path / "gpus.txt").read_text()
        assert (path / "kernel.txt").read_text() == name
    assert len(started) == 1

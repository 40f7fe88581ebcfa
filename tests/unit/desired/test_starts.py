"""How a replica's unit counts its starts: the program as rendered, run; systemd stood in for."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from rackwright.desired.render import render
from rackwright.desired.replicas import SERVED_S
from rackwright.remote.host import attempts
from tests.samples.commands import Command
from tests.samples.fleet import settings

UNIT = "rackwright-chat-gpu1-0.service"
RUN, UPTIME = "/run/rackwright-starts", "/proc/uptime"


class Starts:
    """A unit as systemd runs it: what it is told, what it does, what was said."""

    def __init__(self, folder: Path, command: Command, **data: object) -> None:
        self.folder, self._command = folder, command
        self._script = folder / "starts"
        values = {"settings": settings(**data), "served_s": SERVED_S}
        text = render("starts.sh.j2", values).decode()
        for real, own in ((RUN, "run"), (UPTIME, "uptime")):
            assert real in text
            text = text.replace(real, str(folder / own))
        self._script.write_text(text)
        command("sleep", f"echo $1 >> {folder}/slept")
        self.restarts, self.up_s, self.job = 0, 100, "start"

    def run(self, moment: str, *, started: bool = True) -> int:
        (self.folder / "uptime").write_text(f"{self.up_s}.25 9.00\n")
        self._command(
            "systemctl",
            f"echo $* >> {self.folder}/asked; case $1 in show) echo {self.restarts};; "
            f'list-jobs) echo " 7 {UNIT} {self.job} running";; esac',
        )
        environment = {**os.environ, **({"EXIT_CODE": "exited"} if started else {})}
        done = subprocess.run(
            ["sh", str(self._script), moment, UNIT],
            capture_output=True,
            text=True,
            env=environment,
            timeout=20,
        )
        self.said = done.stderr
        return done.returncode

    def fails(self, times: int = 1, *, started: bool = True) -> int:
        """Starts that end before they are ready; the exit code of what was run after the last."""
        code = 0
        for _ in range(times):
            assert self.run("before") == 0
            code = self.run("ended", started=started)
            self.restarts += 1
        return code

    def serves(self, for_s: int) -> None:
        """A start that becomes ready, and then dies."""
        assert (self.run("before"), self.run("ready")) == (0, 0)
        self.up_s += for_s
        assert self.run("ended") == 0
        self.restarts += 1

    @property
    def slept(self) -> list[int]:
        file = self.folder / "slept"
        return [int(line) for line in file.read_text().split()] if file.exists() else []

    @property
    def stopped(self) -> int:
        asked = (self.folder / "asked").read_text().splitlines()
        return asked.count(f"--no-block stop {UNIT}")


@pytest.fixture
def starts(
    tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Starts]:
    monkeypatch.setattr(attempts, "FOLDER", tmp_path / "run")
    return lambda **data: Starts(tmp_path, command, **data)


def test_after_so_many_starts_that_never_became_ready_it_gives_up(
    starts: Callable[..., Starts],
) -> None:
    unit = starts()
    assert unit.fails(4) == 0 and unit.stopped == 0
    assert attempts.attempts(UNIT) == {"failed": 4, "gave_up": False}
    assert unit.fails() == 1 and unit.stopped == 1
    assert "gave up after 5 starts that never became ready: a deploy" in unit.said
    assert attempts.attempts(UNIT) == {"failed": 5, "gave_up": True}
    assert attempts.gave_up(attempts.attempts(UNIT)) in unit.said


def test_a_start_by_hand_counts_anew(starts: Callable[..., Starts]) -> None:
    """systemd's count of restarts begins again, or (of one that waits to restart) stays."""
    for restarts_then in (0, 4):
        unit = starts()
        unit.fails(4)
        unit.restarts = min(restarts_then, unit.restarts - 1) if restarts_then else 0
        assert unit.fails() == 0
        assert attempts.attempts(UNIT) == {"failed": 1, "gave_up": False}
        unit.restarts = 0


def test_one_that_gave_up_begins_anew(starts: Callable[..., Starts]) -> None:
    unit = starts(start_attempts=1)
    assert unit.fails() == 1
    unit.restarts = 0
    unit.run("before")
    assert attempts.attempts(UNIT) == {"failed": 0, "gave_up": False}
    assert unit.slept == []


def test_what_became_ready_in_between_counts_anew(starts: Callable[..., Starts]) -> None:
    unit = starts()
    for _ in range(3):
        unit.fails(4)
        unit.serves(for_s=5)
    assert unit.stopped == 0


def test_what_is_ended_by_hand_did_not_fail(starts: Callable[..., Starts]) -> None:
    for job in ("stop", "restart"):
        unit = starts(start_attempts=1)
        unit.job = job
        assert unit.fails() == 0
        assert attempts.attempts(UNIT) == {"failed": 0, "gave_up": False}


def test_what_was_never_started_did_not_fail(starts: Callable[..., Starts]) -> None:
    """The unit may wait for something before it starts its engine."""
    unit = starts(start_attempts=1)
    assert unit.fails(3, started=False) == 0
    assert attempts.attempts(UNIT) == {"failed": 0, "gave_up": False}
    assert unit.slept == [5, 5], "nor is it a row of failures"


def test_zero_attempts_are_without_end(starts: Callable[..., Starts]) -> None:
    unit = starts(start_attempts=0)
    assert unit.fails(30) == 0 and unit.stopped == 0
    assert attempts.attempts(UNIT) == {"failed": 30, "gave_up": False}


def test_restarts_in_a_row_wait_ever_longer(starts: Callable[..., Starts]) -> None:
    unit = starts(restart_delay_s=5, restart_delay_max_s=33, start_attempts=0)
    unit.fails(6)
    assert unit.slept == [5, 10, 20, 33, 33]


def test_after_ten_minutes_of_service_the_row_begins_again(starts: Callable[..., Starts]) -> None:
    unit = starts()
    for for_s in (5, 5, SERVED_S):
        unit.serves(for_s)
    unit.fails()
    assert unit.slept == [5, 10, 5]


def test_a_rank_that_was_ended_with_the_others_is_not_delayed(
    starts: Callable[..., Starts], tmp_path: Path
) -> None:
    """Nor does it make a row longer; but it counts among the starts that never became ready."""
    unit = starts(start_attempts=5)
    unit.fails(2)
    for _ in range(2):
        (tmp_path / "run" / f"{UNIT}.with-others").touch()
        unit.fails()
    assert unit.slept == [5]
    assert attempts.attempts(UNIT) == {"failed": 4, "gave_up": False}
    assert unit.fails() == 1, "and once more"
    assert unit.slept == [5, 10]


@pytest.mark.parametrize("text", ["", "no numbers\n", "1 2\n", None])
def test_a_count_that_cannot_be_read_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | None
) -> None:
    monkeypatch.setattr(attempts, "FOLDER", tmp_path)
    if text is not None:
        (tmp_path / UNIT).write_text(text)
    assert attempts.attempts(UNIT) == {}
    assert attempts.gave_up({}) == ""

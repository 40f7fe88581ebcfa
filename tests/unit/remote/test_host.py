"""What scripts share of a host: systemd's answers, environment files, commands that fail."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from rackwright.desired.render import environment_quote
from rackwright.remote.host.environment_file import assignments, unquoted
from rackwright.remote.host.journal import MOST_ENTRY, entries
from rackwright.remote.host.processes import MOST_WORDS, command_of, runs
from rackwright.remote.host.running import Failed, output, run
from rackwright.remote.host.systemd import show
from rackwright.remote.nvidia import switches
from tests.samples.commands import Command


def test_each_unit_has_its_own_block(command: Command) -> None:
    command("systemctl", "printf 'A=1\\nB=x=y\\n\\nA=\\nB=2\\n'")
    assert show("A,B", "one.service", "two.service") == [
        {"A": "1", "B": "x=y"},
        {"A": "", "B": "2"},
    ]


def test_an_answer_for_fewer_units_is_none(command: Command) -> None:
    command("systemctl", "echo A=1")
    with pytest.raises(Failed, match="answered for 1 of 2 units"):
        show("A", "one.service", "two.service")


def test_what_systemctl_complains_of_is_not_taken_for_a_unit(command: Command) -> None:
    command("systemctl", "printf 'A=warning\\n\\n' >&2; echo A=1")
    assert show("A", "one.service") == [{"A": "1"}]


def test_systemd_that_cannot_be_asked_is_told_in_its_words(command: Command) -> None:
    command("systemctl", "echo 'Failed to connect to bus' >&2; exit 1")
    with pytest.raises(OSError, match=r"`systemctl show .*exit code 1: Failed to connect to bus"):
        show("A", "one.service")


def test_a_command_fails_with_what_it_said_and_gives_what_it_printed(command: Command) -> None:
    command("tool", "echo out; echo complaint >&2; exit $1")
    assert (output("tool", "0"), run("tool", "0")) == ("out\n", "out\ncomplaint")
    with pytest.raises(Failed, match=r"`tool 3` exit code 3: complaint$"):
        output("tool", "3")
    with pytest.raises(Failed, match=r"`tool 3` exit code 3: out\ncomplaint$"):
        run("tool", "3")


@pytest.mark.parametrize("value", ["", "k", 'ends with "', 'a "b" c', "back\\slash", "$HOME = x"])
def test_values_are_read_as_they_were_written(tmp_path: Path, value: str) -> None:
    path = tmp_path / "a.env"
    path.write_text(f"# not one\nKEY={environment_quote(value)}\n")
    assert [(name, unquoted(text)) for name, text in assignments(str(path))] == [("KEY", value)]


def test_a_file_that_is_not_there_assigns_nothing(tmp_path: Path) -> None:
    assert assignments(str(tmp_path / "none")) == assignments(None) == []


def test_an_entry_of_the_journal_that_is_too_long_is_left_out(command: Command) -> None:
    long = MOST_ENTRY + 1000
    command("journalctl", f"echo '{{\"A\": 1}}'; head -c {long} /dev/zero | tr '\\0' x; echo; "
            "echo '{\"A\": 2}'")  # fmt: skip
    assert list(entries("UNIT=x")) == [{"A": 1}, {"A": 2}]


def soon(true: Callable[[], bool]) -> bool:
    """A program that was just started has no command line for a moment."""
    end_s = time.monotonic() + 30
    while not true() and time.monotonic() < end_s:
        time.sleep(0.01)
    return true()


def test_a_process_is_known_by_its_name(tmp_path: Path) -> None:
    assert not runs("nvlsm-of-a-test")
    program = tmp_path / "nvlsm-of-a-test"
    program.symlink_to("/bin/sleep")
    with subprocess.Popen([program, "600"]) as running:
        try:
            assert soon(lambda: runs("nvlsm-of-a-test"))
        finally:
            running.kill()


def test_of_a_long_command_line_the_beginning_is_read() -> None:
    waits = ["sh", "-c", "read line; true", "x" * 100_000]
    with subprocess.Popen(waits, stdin=subprocess.PIPE) as running:
        try:
            assert soon(lambda: len(command_of(running.pid)) == MOST_WORDS)
        finally:
            running.kill()


def test_an_nvswitch_on_the_bus_is_told_by_its_maker_and_class(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(switches, "DEVICES", tmp_path)
    assert switches.switches() == []
    devices = {"0000:07:00.0": ("0x10de", "0x068000"), "0000:17:00.0": ("0x10de", "0x030200")}
    for name, (vendor, kind) in {**devices, "0000:00:1f.0": ("0x8086", "0x068000")}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "vendor").write_text(f"{vendor}\n")
        (tmp_path / name / "class").write_text(f"{kind}\n")
    assert switches.switches() == ["0000:07:00.0"]

"""What a login shell is given: the same in each, whatever it prints. fish, csh, zsh: tests/lab."""

from __future__ import annotations

import subprocess

import pytest

from rackwright.runner.access.login_shell import BEGINS, after_begin, line, without_banner

COMMANDS = [
    r"printf '%s\n' 'a\\b' \"c\" '!x' $((1 + 1))",
    "printf 'one\ntwo'",
    "cat",
    "echo \"it's\"; echo ' ' >&2",
    "echo ä; exit 3",
]


def run(shell: str, command: str, before: str = "") -> subprocess.CompletedProcess[bytes]:
    argv = [shell, "-c", before + line(command)]
    done = subprocess.run(argv, input=b"given\n", capture_output=True, check=False)
    done.stdout, done.stderr = map(without_banner, (done.stdout, done.stderr))
    return done


@pytest.mark.parametrize("shell", ["sh", "bash"])
@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_does_what_it_does_in_sh(shell: str, command: str) -> None:
    plain = subprocess.run(["sh", "-c", command], input=b"given\n", capture_output=True)
    done = run(shell, command, "echo Welcome; printf 'to this server' >&2; trap 'echo Bye' EXIT; ")
    assert (done.returncode, done.stdout, done.stderr) == (
        plain.returncode,
        plain.stdout,
        plain.stderr,
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_nothing_is_in_it_that_shells_read_each_in_its_own_way(command: str) -> None:
    words, script, end = line(command).split("'")
    assert (words, end) == ("exec sh -c ", "")
    assert not set(script) & set("\\!\n")


def test_lines_are_those_after_the_banner() -> None:
    assert list(after_begin(["Hi \n", f"{BEGINS}\r\n", "a\n", f"{BEGINS}\n"])) == [
        "a\n",
        f"{BEGINS}\n",
    ]


def test_a_shell_that_runs_nothing_says_why() -> None:
    said = ["This account is not available.\n"]
    assert list(after_begin(said)) == said
    assert without_banner(b"no\n") == b"no\n"


def test_on_a_terminal_it_begins_once() -> None:
    assert line("true", one_stream=True).count(BEGINS) == 1

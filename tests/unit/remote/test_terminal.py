"""A program in a session with a terminal of its own, its streams as they were."""

from __future__ import annotations

import subprocess
import sys

import pytest

from rackwright.remote import terminal

ASKS = "read line; echo out $line; echo err >&2; : < /dev/tty && exit 7"


@pytest.mark.parametrize("wrapped", [True, False])
def test_it_has_a_terminal_and_our_streams(wrapped: bool) -> None:
    words = [sys.executable, "-I", terminal.__file__] if wrapped else []
    done = subprocess.run(
        [*words, "sh", "-c", ASKS],
        input=b"x" * 70000 + b"\n",  # a terminal has a limit to its lines
        capture_output=True,
        start_new_session=True,
    )
    assert done.stdout == b"out " + b"x" * 70000 + b"\n"
    assert (done.returncode == 7) is wrapped
    assert done.stderr.startswith(b"err\n")


def test_an_end_by_a_signal_is_no_success() -> None:
    argv = [sys.executable, "-I", terminal.__file__, "sh", "-c", "kill -9 $$"]
    assert subprocess.run(argv).returncode != 0

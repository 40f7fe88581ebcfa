"""Commands, run with nothing to read; what they say is kept, also where they fail."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from subprocess import DEVNULL, PIPE, STDOUT
from typing import Any

MOST_WORDS = 1500


class Failed(OSError):
    """Something on the host said no; its own words are the message."""


def ended(*argv: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """A command after its end, well or not: a no is an answer too. OSError for one that is none."""
    usual = {"stdin": DEVNULL, "stdout": PIPE, "stderr": PIPE, "check": False}
    return subprocess.run(argv, encoding="utf-8", errors="replace", **{**usual, **options})


def said_by(*argv: str) -> str:
    """What a command prints, well or not; nothing where it is not there."""
    try:
        return ended(*argv, env=in_english()).stdout.strip()
    except OSError:
        return ""


def run(*argv: str, env: Mapping[str, str] | None = None, umask: int = -1) -> str:
    """All that a command says, complaints too; Failed with that where it fails."""
    done = ended(*argv, env=env, umask=umask, stderr=STDOUT)
    return _of_success(done, done.stdout).strip()


def output(*argv: str) -> str:
    """What a command prints, in English; Failed with its complaints where it fails."""
    done = ended(*argv, env=in_english())
    return _of_success(done, done.stderr)


def _of_success(done: subprocess.CompletedProcess[str], words: str) -> str:
    if done.returncode != 0:
        said = words.strip()[-MOST_WORDS:]
        raise Failed(f"`{' '.join(done.args[:4])}` exit code {done.returncode}: {said}")
    return done.stdout


def in_english(**more: str) -> dict[str, str]:
    """The environment of a command whose words are read."""
    return {**os.environ, "LC_ALL": "C", **more}

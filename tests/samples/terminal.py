"""A program run at a terminal, where a person answers what it asks."""

from __future__ import annotations

import os
import pty
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lab.fleet import ROOT


@dataclass
class Talk:
    """How it ended, all that was shown, and the questions in their order."""

    code: int
    shown: str
    asked: list[str]


def typed(argv: Sequence[str], answers: Mapping[str, str], without: Sequence[str] = ()) -> Talk:
    """Run a program and type the answer to each question as it comes, by the question's end.

    ``without`` are variables of the environment that it is not to have.
    """
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(ROOT)
        for name in without:
            os.environ.pop(name, None)
        os.execv(argv[0], list(argv))
    shown, asked, heard = "", [], 0
    while text := _more(terminal):
        shown += text
        for question in (one for one in answers if one in shown[heard:]):
            heard = shown.index(question, heard) + len(question)
            asked.append(question)
            os.write(terminal, f"{answers[question]}\n".encode())
    os.close(terminal)
    return Talk(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), shown, asked)


def _more(terminal: int) -> str:
    try:
        return os.read(terminal, 4096).decode(errors="replace")
    except OSError:  # the program has ended
        return ""

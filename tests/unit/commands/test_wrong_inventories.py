"""Wrong inventories: each file of tests/data/inventories/wrong says in its docstring what is said.

Its first line is the exit code of `rackwright plan`; each further one is how a fault begins, in
order. So a case is a file, and nothing else.
"""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from lab.fleet import ROOT

FOLDER = ROOT / "tests/data/inventories/wrong"
SOUND = FOLDER / "_sound.py"
CASES = {path.stem: path for path in sorted(FOLDER.glob("*.py")) if path != SOUND}
PATIENCE_S = 600
PYINFRA_S = ("error_without_words", "exit_zero", "host_without_a_name")
"""Those that pyinfra refuses, in words of its own, before it hands an inventory to anybody."""
ENDED = """
import contextlib, io, json, os, socket, sys
import pyinfra
from pyinfra.api.host import Host
from pyinfra_cli.cli import cli
from rackwright.cli import main

os.environ.pop("RACKWRIGHT_WRONG_KEY", None)
pyinfra.is_cli = True  # as its program says of itself
touched = []
Host.connect = lambda self, *args, **more: touched.append(self.name)
socket.socket.connect = lambda self, address: touched.append(str(address))

def ended(program, *words):
    said, code = io.StringIO(), 0
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(said):
        try:
            program(list(words))
        except SystemExit as error:
            code = error.code
    return code, said.getvalue()

answers = []
for path in json.load(sys.stdin):
    plan, deploy = ended(main, "plan", path), ended(cli, path, "deploy.py", "-y", "--dry")
    answers.append([*plan, *deploy, list(touched)])
    touched.clear()
json.dump(answers, sys.stdout)
"""
"""Every case in one process, which has pyinfra: no connection is made there, it is only noted."""


class Ending(NamedTuple):
    """How `rackwright plan` and `pyinfra ... deploy.py` ended, and what was connected to."""

    code: int
    said: str
    deploy_code: int
    deploy_said: str
    touched: list[str]


def ends_of(paths: list[Path]) -> list[Ending]:
    done = subprocess.run(
        [sys.executable, "-c", ENDED],
        env={**os.environ, "XDG_CACHE_HOME": "/dev/null"},  # none was found right before
        input=json.dumps([str(path.relative_to(ROOT)) for path in paths]),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert done.returncode == 0, done.stderr
    return [Ending(*each) for each in json.loads(done.stdout)]


@pytest.fixture(scope="module")
def endings() -> dict[str, Ending]:
    return dict(zip(CASES, ends_of(list(CASES.values())), strict=True))


def expected(path: Path) -> tuple[int, list[str]]:
    """The exit code, and how each line after the first begins."""
    words = ast.get_docstring(ast.parse(path.read_text()))
    assert words, f"{path}: say the exit code and the faults in its docstring"
    code, *lines = words.splitlines()
    return int(code), lines


def faults(said: str) -> list[str]:
    """What is said, fault by fault; the line above counts them."""
    head, *lines = said.splitlines()
    assert head.startswith("Error: "), said
    return [line.removeprefix("  ") for line in lines] or [head.removeprefix("Error: ")]


@pytest.mark.parametrize("name", CASES)
def test_a_wrong_inventory_is_said_and_touches_nothing(
    endings: dict[str, Ending], name: str
) -> None:
    code, lines = expected(CASES[name])
    ending = endings[name]
    assert ending.touched == []
    assert ending.code == code, ending.said
    found = faults(ending.said)
    assert len(found) == len(lines), ending.said
    for line, begin in zip(found, lines, strict=True):
        assert line.startswith(begin), ending.said


@pytest.mark.parametrize("name", [name for name in CASES if name not in PYINFRA_S])
def test_a_deploy_of_it_says_the_same(endings: dict[str, Ending], name: str) -> None:
    """pyinfra runs the file before it asks anybody, so one that ends ends it."""
    ending = endings[name]
    assert ending.deploy_code == 1, ending.deploy_said
    assert "no host was touched" in ending.deploy_said and "Traceback" not in ending.deploy_said
    assert all(line in ending.deploy_said for line in expected(CASES[name])[1])


def test_without_its_fault_each_of_them_is_sound(tmp_path: Path) -> None:
    sound = FOLDER / "_sound_as_it_is.py"
    sound.write_text("from tests.data.inventories.wrong._sound import fleet\n\nall = fleet()\n")
    try:
        (ending,) = ends_of([sound])
    finally:
        sound.unlink()
    assert ending.code == 0, ending.said
    assert "gpu1" in ending.touched, "a deploy of it would connect"

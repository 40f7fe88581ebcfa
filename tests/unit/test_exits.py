"""However a program ends: one message, and an exit code that scripts can tell apart."""

from __future__ import annotations

import ast
import builtins
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import rackwright
from lab.errors import LabError
from lab.fleet import ROOT
from rackwright import errors, exits
from rackwright.checks.results import Status, worst_of
from rackwright.errors import Fault, RackwrightError

PACKAGE = Path(rackwright.__file__).parent
KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type)]
KINDS = [kind for kind in KINDS if issubclass(kind, RackwrightError)]
CHECKS = {worst_of([status]) for status in Status}
OURS = [kind for kind in KINDS if kind is not LabError]


def ended(error: BaseException) -> object:
    with pytest.raises(SystemExit) as caught, exits.exits():
        raise error
    return caught.value.code


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_an_error_is_one_message_and_the_code_of_its_kind(
    kind: type[RackwrightError], capsys: pytest.CaptureFixture[str]
) -> None:
    error = kind([Fault("a", "b")]) if issubclass(kind, errors.SpecError) else kind("a: b")
    assert ended(error) == kind.exit_code
    said = capsys.readouterr()
    assert said.err == f"Error: {error}\n" and said.out == ""


def test_no_error_has_the_code_of_a_check() -> None:
    assert not {kind.exit_code for kind in OURS} & CHECKS
    codes = {errors.InputError, errors.PlanError, errors.RefusedError, errors.HostError}
    assert len({kind.exit_code for kind in codes}) == len(codes)


@pytest.mark.parametrize(
    "error",
    [RuntimeError("a\nb"), RecursionError("deep"), MemoryError(), OSError(28, "full"), KeyError()],
    ids=repr,
)
def test_what_nobody_expected_is_one_line(
    error: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ended(error) == exits.INTERNAL == 70
    said = capsys.readouterr().err
    assert said.startswith(f"Error: {type(error).__name__}: ") and said.count("\n") == 1
    assert "RACKWRIGHT_TRACEBACK=1 shows where" in said


def test_the_traceback_is_there_for_who_asks(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(exits.TRACEBACK, "1")
    assert ended(RuntimeError("why")) == 70
    said = capsys.readouterr().err
    assert "Traceback" in said and "in ended" in said and "Error: RuntimeError: why" in said


def test_an_interrupt_and_a_reader_that_has_gone_are_no_warning() -> None:
    assert ended(KeyboardInterrupt()) == 130
    assert ended(BrokenPipeError()) == 141
    assert ended(SystemExit(2)) == 2  # what a check says stays what it is


def rows() -> dict[int, str]:
    """Exit codes in the docs, each with the error that has it."""
    text = (ROOT / "docs/operations.md").read_text().split("## Exit codes")[1].split("\n## ")[0]
    found = re.findall(r"^\| (\d+) \|.*\|([^|]*)\|$", text, re.MULTILINE)
    return {int(code): error.strip().strip("`") for code, error in found}


def test_the_table_in_the_docs_is_what_is_done() -> None:
    own = {exits.USAGE, exits.INTERNAL, exits.INTERRUPTED, exits.NO_READER}
    codes = {*CHECKS, *own, *(kind.exit_code for kind in OURS)}
    assert set(rows()) == codes
    named = {error: code for code, error in rows().items() if error}
    for kind in OURS:
        name = next(parent.__name__ for parent in kind.__mro__ if parent.__name__ in named)
        assert kind.exit_code == named[name], f"{kind.__name__}: docs/operations.md, Exit codes"


def modules() -> Iterator[tuple[Path, ast.Module]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        if "remote" not in path.parts:  # what travels to a host knows no class of ours
            yield path.relative_to(PACKAGE), ast.parse(path.read_text())


def is_builtin_error(name: str) -> bool:
    kind = getattr(builtins, name, None)
    return isinstance(kind, type) and issubclass(kind, BaseException)


def test_every_error_class_is_of_the_one_hierarchy() -> None:
    roots = [
        f"{path}: {node.name}"
        for path, tree in modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
        if any(isinstance(base, ast.Name) and is_builtin_error(base.id) for base in node.bases)
    ]
    assert roots == ["errors.py: RackwrightError"], "derive an error from one of rackwright.errors"


def test_what_is_raised_has_a_kind() -> None:
    """Not RackwrightError itself, which says nothing of what happened."""
    plain = {"Exception", "RuntimeError", "OSError", "LookupError", "RackwrightError"}
    for path, tree in modules():
        for node in ast.walk(tree):
            call = node.exc if isinstance(node, ast.Raise) else None
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name):
                assert call.func.id not in plain, f"{path}:{call.lineno}"


@pytest.mark.parametrize("name", ["stdin", "stdout", "stderr"])
def test_a_stream_that_was_closed_before_the_start_is_no_fault(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, name, None)
    with exits.exits():
        getattr(sys, name).close()

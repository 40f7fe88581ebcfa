"""How the tests lie: by the rooms of the package, and none leans on another."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
PACKAGE = TESTS.parent / "rackwright"
OTHERS = {"benchmarks", "gpu", "lab"}
"""Folders of unit tests that are of no room: of what stands beside the package."""


def leans_on(source: str) -> list[str]:
    """Test modules, and what only pytest may load, that a source imports."""
    names = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names += [f"{'.' * node.level}{node.module or ''}.{alias.name}" for alias in node.names]
    return [name for name in names if any(map(of_pytest, name.split(".")))]


def of_pytest(part: str) -> bool:
    return part == "conftest" or part.startswith("test_")


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("from tests.unit.checks.test_server import seen", ["tests.unit.checks.test_server.seen"]),
        ("from .test_server import seen", [".test_server.seen"]),
        ("def f():\n    from tests.lab.conftest import ssh", ["tests.lab.conftest.ssh"]),
        ("import tests.unit.test_errors as t", ["tests.unit.test_errors"]),
        ("from tests.lab import conftest", ["tests.lab.conftest"]),
        ("from tests.samples.probes import seen\nimport json", []),
    ],
)
def test_an_import_of_a_test_module_is_seen(source: str, found: list[str]) -> None:
    assert leans_on(source) == found


def test_no_test_module_is_imported() -> None:
    """What tests share is a sample (``tests/samples``) or a fixture."""
    sources = {path: path.read_text() for path in TESTS.rglob("*.py")}
    found = {str(path.relative_to(TESTS)): leans_on(text) for path, text in sources.items()}
    assert {path: names for path, names in found.items() if names} == {}


def test_unit_tests_lie_by_the_rooms_of_the_package() -> None:
    rooms = {path.stem for path in PACKAGE.iterdir()} | OTHERS
    unit = TESTS / "unit"
    tops = {path.relative_to(unit).parts[0] for path in unit.glob("*/**/test_*.py")}
    assert "checks" in tops
    assert tops - rooms == set()


def test_what_tests_share_is_a_sample() -> None:
    assert [path.name for path in TESTS.glob("*.py")] == ["conftest.py"]

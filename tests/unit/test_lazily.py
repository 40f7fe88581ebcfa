"""Packages whose names are imported when they are asked for: both lists of them are the same."""

from __future__ import annotations

import ast
from importlib import import_module
from pathlib import Path

import pytest

import rackwright
from rackwright.lazily import exports

ROOT = Path(rackwright.__file__).parent
PACKAGES = sorted(
    path.parent for path in ROOT.rglob("__init__.py") if "exports(" in path.read_text()
)


def declared(package: Path) -> dict[str, str]:
    """Names by what stands below ``if TYPE_CHECKING``: the module of each."""
    tree = ast.parse((package / "__init__.py").read_text())
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    imports = [node for node in block.body if isinstance(node, ast.ImportFrom)]
    return {alias.name: (node.module or "") for node in imports for alias in node.names}


@pytest.mark.parametrize("package", PACKAGES, ids=lambda path: path.name)
def test_each_name_is_what_is_declared(package: Path) -> None:
    module = import_module(f"rackwright.{package.name}")
    names = declared(package)
    assert sorted(names) == sorted(module.__all__)
    for name, origin in names.items():
        assert getattr(module, name) is getattr(import_module(origin), name)


@pytest.mark.parametrize("package", PACKAGES, ids=lambda path: path.name)
def test_no_name_is_that_of_a_module_beside_it(package: Path) -> None:
    """Whoever imported the module would be given that instead."""
    assert not {path.stem for path in package.iterdir()} & set(declared(package))


def test_a_name_that_is_none_is_an_attribute_error() -> None:
    assert len(PACKAGES) == 5
    with pytest.raises(AttributeError, match=r"'rackwright\.report' has no attribute 'nothing'"):
        exports("rackwright.report", {"page": "page"})("nothing")

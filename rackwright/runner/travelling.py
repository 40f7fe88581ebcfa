"""What travels to a host with a script of ``remote``: all that it imports, found by reading it.

    python -m rackwright.runner.travelling probe | ssh HOST python3 -

runs a script by hand, where the project is not installed: it prints it with all that it needs as
one program.
"""

from __future__ import annotations

import ast
import base64
import json
import sys
import zlib
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from importlib.util import find_spec, resolve_name
from pathlib import Path
from typing import Any

ROOM = "rackwright.remote"
OF_OTHERS = ("pynvml",)
"""What a script may import that is not ours: one file each, of the standard library's imports."""
PYTHON = (3, 9)
"""The oldest that hosts have: Debian 11's."""
STANDARD = sys.stdlib_module_names - {"tomllib"}
"""The standard library, without what came after that."""


@cache
def closure(script: str) -> dict[str, str]:
    """Sources by the names of their modules: a script, and all that is imported from there on.

    Raises ImportError for an import that no host could follow, SyntaxError for words that are too
    new for one.
    """
    found: dict[str, str] = {}
    todo = [f"{ROOM}.{script}"]
    while todo:
        name = todo.pop()
        if name not in found:
            found[name] = _source(name)
            todo += _carried(name, found[name])
    return found


def _source(name: str) -> str:
    if name in OF_OTHERS:
        return _of_others(name)
    path = files("rackwright").joinpath("/".join(name.split(".")[1:]) + ".py")
    if not path.is_file():
        raise ImportError(f"{name} is to travel to hosts, and is no module of {ROOM}")
    return path.read_text()


def _of_others(name: str) -> str:
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        raise ImportError(f"{name} is to travel to hosts, and is not installed here")
    return Path(spec.origin).read_text()


def _carried(name: str, source: str) -> list[str]:
    """What has to come along with a module; the standard library is on every host."""
    if name in OF_OTHERS:
        return []
    needed = []
    for imported in _imported(name, source):
        top = imported.partition(".")[0]
        if imported.startswith(f"{ROOM}.") or imported in OF_OTHERS:
            needed.append(imported)
        elif top not in STANDARD:
            raise ImportError(f"{name} travels to hosts and imports {imported}, which does not")
    return needed


def _imported(name: str, source: str) -> Iterator[str]:
    """Full names of the modules that a module imports anywhere, in functions and ``try`` too."""
    package = name.rpartition(".")[0]
    for node in ast.walk(ast.parse(source, f"{name}.py", feature_version=PYTHON)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            origin = resolve_name("." * node.level + (node.module or ""), package)
            if _is_folder(origin):
                yield from (f"{origin}.{alias.name}" for alias in node.names)
            else:
                yield origin


def _is_folder(name: str) -> bool:
    top, *below = name.split(".")
    return top == "rackwright" and files("rackwright").joinpath(*below).is_dir()


@cache
def _packed(script: str) -> str:
    """Text for one line of JSON: sources shrink to a fifth, and a host unpacks them in no time."""
    return base64.b64encode(zlib.compress(json.dumps(closure(script)).encode(), 9)).decode()


def message(script: str, *arguments: Any) -> str:
    """One line for ``loader``: what travels, and what the script's ``main`` is called with."""
    return json.dumps(
        {"modules": _packed(script), "script": f"{ROOM}.{script}", "arguments": arguments}
    )


@cache
def loader(line: str = "sys.stdin.readline()") -> str:
    """The program that takes a message; ``line`` is the expression it has it from."""
    return f"{_source(f'{ROOM}.loader')}\n\nmain({line})\n"


def program(script: str, *arguments: Any) -> str:
    """A script with all that it needs, and what it is called with, as one program."""
    return loader(repr(message(script, *arguments)))


if __name__ == "__main__":
    print(program(*sys.argv[1:]), end="")

"""What travels to a host with a script of ``remote``: all that it imports, found by reading it.

    python -m rackwright.runner.travelling probe | ssh HOST python3 -

runs a script by hand, where the project is not installed: it prints it with all that it needs as
one program.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import sys
import zlib
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from importlib.util import find_spec, resolve_name
from pathlib import Path
from typing import Any

from rackwright.runner import pruning
from rackwright.runner.packed_before import Packed, packed

ROOM = "rackwright.remote"
OF_OTHERS = ("pynvml",)
"""What a script may import that is not ours: one file each, of the standard library's imports."""
LOADER, BOOT = "loader", "boot"
LEVEL = 3
"""Of compression: twice as fast as the usual, for a tenth more."""
PYTHON = (3, 9)
"""The oldest that hosts have: Debian 11's."""
STANDARD = sys.stdlib_module_names - {"tomllib"}
"""The standard library, without what came after that."""
_ANY = "\nfrom typing import Any\n"
"""What annotations name alone: a host need not load a module of types for it."""
_IMPORT = re.compile(
    r"^[ \t]*(?:import[ \t]+(?P<plain>[^\n#;]+)"
    r"|from[ \t]+(?P<origin>[.\w]+)[ \t]+import[ \t]+(?P<names>\([^)]*\)|[^\n#;]+))",
    re.MULTILINE,
)
"""A statement on lines of its own. To parse 500 KB of Python takes a run longer than to connect."""


@cache
def closure(*scripts: str) -> dict[str, str]:
    """Sources by the names of their modules: scripts, and all that is imported from there on.

    Raises ImportError for an import that no host could follow.
    """
    found: dict[str, str] = {}
    todo = [f"{ROOM}.{script}" for script in scripts]
    while todo:
        name = todo.pop()
        if name not in found:
            found[name] = _source(name)
            todo += _carried(name, found[name])
    return found


def _cut_down(modules: dict[str, str]) -> dict[str, str]:
    """The same, without what nothing of them names in modules of others."""
    own = {name: source for name, source in modules.items() if name not in OF_OTHERS}
    named = set().union(*(pruning.words_of(source) for source in own.values() if "nvml" in source))
    others = {name: pruning.pruned(modules[name], named) for name in OF_OTHERS if name in modules}
    return {**own, **others}


def _source(name: str) -> str:
    return file_of(name).read_text().replace(_ANY, "\nAny = object\n")


def file_of(name: str) -> Path:
    """Of a module that travels. Raises ImportError for any other."""
    if name in OF_OTHERS:
        return _of_others(name)
    path = Path(str(files("rackwright")), *name.split(".")[1:]).with_suffix(".py")
    if not path.is_file():
        raise ImportError(f"{name} is to travel to hosts, and is no module of {ROOM}")
    return path


def _of_others(name: str) -> Path:
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        raise ImportError(f"{name} is to travel to hosts, and is not installed here")
    return Path(spec.origin)


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
    for statement in _IMPORT.finditer(source):
        if statement["plain"]:
            yield from _names(statement["plain"])
            continue
        origin = resolve_name(statement["origin"], package)
        if _is_folder(origin):
            yield from (f"{origin}.{one}" for one in _names(statement["names"]))
        else:
            yield origin


def _names(listed: str) -> Iterator[str]:
    """What ``a as b, c`` imports, by its own names."""
    lines = (line.partition("#")[0] for line in listed.strip("() \t").splitlines())
    yield from (part.split()[0] for part in " ".join(lines).split(",") if part.strip())


@cache
def _is_folder(name: str) -> bool:
    top, *below = name.split(".")
    return top == "rackwright" and files("rackwright").joinpath(*below).is_dir()


@cache
def _packed(*scripts: str) -> Packed:
    """Text for one line of JSON: sources shrink to a fifth, and a host unpacks them in no time.

    ``digest`` is what a host keeps the compiled ones by.
    """
    return packed((str(files("rackwright")), *scripts), lambda: _pack(scripts))


def _pack(scripts: tuple[str, ...]) -> tuple[Packed, list[Path]]:
    found = closure(*scripts, LOADER)
    text = json.dumps(_cut_down(found)).encode()
    modules = base64.b64encode(zlib.compress(text, LEVEL)).decode()
    by = [Path(__file__), Path(pruning.__file__)]
    made = {"modules": modules, "digest": hashlib.sha256(text).hexdigest()}
    return made, [*map(file_of, found), *by]


def message(script: str, *arguments: Any, beside: tuple[str, ...] = ()) -> str:
    """One line for ``loader``: what travels, and what the script's ``main`` is called with.

    ``beside`` are scripts that this one calls by their names.
    """
    own = {"script": f"{ROOM}.{script}", "arguments": arguments}
    return json.dumps({**_packed(script, *beside), **own})


def opening(script: str, loaded: tuple[str, ...]) -> str:
    """One line for ``starter``: of the arguments, which come on the next, nothing is said.

    Until then what is ``loaded`` is.
    """
    names = [f"{ROOM}.{name}" for name in loaded]
    return json.dumps({"script": f"{ROOM}.{script}", "loads": names})


@cache
def loader(line: str = "sys.stdin.readline()") -> str:
    """The program that takes a message; ``line`` is the expression it has it from."""
    return f"{_source(f'{ROOM}.{LOADER}')}\n\nmain({line})\n"


def starter(script: str, beside: tuple[str, ...]) -> str:
    """The program that takes an ``opening``, on a host that was sent these scripts before.

    On any other it ends without a word.
    """
    digest = _packed(script, *beside)["digest"]
    return f"{_source(f'{ROOM}.{BOOT}')}\n\nmain({digest!r}, sys.stdin.readline())\n"


def program(script: str, *arguments: Any) -> str:
    """A script with all that it needs, and what it is called with, as one program."""
    return loader(repr(message(script, *arguments)))


if __name__ == "__main__":
    print(program(*sys.argv[1:]), end="")

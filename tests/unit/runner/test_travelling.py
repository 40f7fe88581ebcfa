"""What travels with a script: found from its imports, and importable where it arrives."""

from __future__ import annotations

import ast
import json
import shutil
import subprocess
import sys
from importlib.util import resolve_name
from pathlib import Path
from typing import Any

import pytest

import rackwright.remote
from rackwright.engines.release import script_text
from rackwright.runner import packed_before, travelling
from rackwright.runner.travelling import OF_OTHERS, PYTHON, ROOM, closure, program
from tests.samples.travelling import OWN, run

REMOTE = Path(rackwright.remote.__file__).parent
WRITTEN = {
    "await_ready": set(),
    "gather": set(),
    "ollama_model": set(),
    "sampling": set(),
    "sample_sglang": {"sglang", "torch"},
    "sample_vllm": {"vllm"},
    "toolkit": set(),
}
"""Scripts that lie on hosts as files, and what of a release's own they import."""
SCRIPTS = sorted({path.stem for path in REMOTE.glob("[a-z]*.py")} - {*WRITTEN})


def runs(python: str) -> bool:
    """Whether there is one; a stand-in for it may be there that only says that there is none."""
    try:
        return subprocess.run([python, "--version"], capture_output=True).returncode == 0
    except OSError:
        return False


def imports(source: str) -> set[str]:
    """What a text imports, by the names of the outermost packages."""
    nodes = list(ast.walk(ast.parse(source, feature_version=PYTHON)))
    found = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    found |= {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
    return {name.partition(".")[0] for name in found}


@pytest.mark.parametrize("script", SCRIPTS)
def test_all_that_a_script_imports_is_there_or_comes_along(script: str) -> None:
    for name, source in closure(script).items():
        if name not in OF_OTHERS:
            assert imports(source) <= {*sys.stdlib_module_names, *OF_OTHERS, "rackwright"}


def imported(name: str, source: str) -> set[str]:
    """What a module's statements import, read by Python itself, as one of its oldest on hosts."""
    package, found = name.rpartition(".")[0], set()
    for node in ast.walk(ast.parse(source, feature_version=PYTHON)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            origin = resolve_name("." * node.level + (node.module or ""), package)
            folder = REMOTE.parent.joinpath(*origin.split(".")[1:])
            names = {f"{origin}.{alias.name}" for alias in node.names}
            found |= names if origin.startswith("rackwright") and folder.is_dir() else {origin}
    return found


@pytest.mark.parametrize(
    "path", sorted(REMOTE.rglob("*.py")), ids=lambda p: str(p.relative_to(REMOTE))
)
def test_imports_are_found_without_parsing_as_python_finds_them(path: Path) -> None:
    """Words that look like an import in a text would be one, and those too new end here."""
    name = ".".join((ROOM, *path.relative_to(REMOTE).with_suffix("").parts))
    source = path.read_text()
    assert set(travelling._imported(name, source)) == imported(name, source)


@pytest.mark.parametrize(("script", "of_release"), WRITTEN.items())
def test_a_script_that_lies_on_a_host_stands_alone(script: str, of_release: set[str]) -> None:
    assert imports(script_text(script)) - sys.stdlib_module_names == of_release


def test_whatever_scripts_share_is_carried_by_one() -> None:
    carried = {name for script in SCRIPTS for name in closure(script)}
    for path in REMOTE.glob("*/[a-z]*.py"):
        assert f"{ROOM}.{path.parent.name}.{path.stem}" in carried


def test_packages_of_the_room_hold_nothing_but_words() -> None:
    """They do not travel: on a host they are empty."""
    for path in REMOTE.rglob("__init__.py"):
        (words,) = ast.parse(path.read_text()).body
        assert isinstance(words, ast.Expr) and isinstance(words.value, ast.Constant)


# --- a room of the test --------------------------------------------------------------------------


@pytest.fixture
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A room with packages in it, which the closure is found in instead of the project's own."""
    (tmp_path / "remote/deep").mkdir(parents=True)
    shutil.copy(REMOTE / "loader.py", tmp_path / "remote")
    monkeypatch.setattr(travelling, "files", lambda _package: tmp_path)
    monkeypatch.setattr(packed_before, "PLACE", tmp_path / "packed")
    for name in (
        "closure",
        "_is_folder",
        "_packed",
        "loader",
    ):  # what they remember is of the project's room
        monkeypatch.setattr(travelling, name, getattr(travelling, name).__wrapped__)
    return tmp_path / "remote"


def say(room: Path, **scripts: str) -> None:
    for name, text in scripts.items():
        (room / f"{name.replace('__', '/')}.py").write_text(text)


WAYS = [
    "import rackwright.remote.deep.well\ndef main(): return rackwright.remote.deep.well.WORDS",
    "import rackwright.remote.deep.well as well\ndef main(): return well.WORDS",
    "from rackwright.remote.deep import well\ndef main(): return well.WORDS",
    "from rackwright.remote.deep.well import WORDS\ndef main(): return WORDS",
    "from .deep import well\ndef main(): return well.WORDS",
    "from .deep.well import WORDS\ndef main(): return WORDS",
    "def main():\n    from rackwright.remote.deep.well import WORDS\n    return WORDS",
    "try:\n    from rackwright.remote.deep.well import WORDS\nexcept ImportError:\n    pass\n"
    "def main(): return WORDS",
]


@pytest.mark.parametrize("script", WAYS)
def test_a_new_import_comes_along_however_it_is_written(room: Path, script: str) -> None:
    well = "from rackwright.remote.deep.below import WORD\nWORDS = f'{WORD} here'"
    say(room, asked=script, deep__well=well, deep__below="WORD = 'all'", other="")
    names = {f"{ROOM}.asked", f"{ROOM}.deep.well", f"{ROOM}.deep.below"}
    assert set(travelling.closure("asked")) == names
    done = subprocess.run(
        [*OWN, "-c", travelling.loader()],
        input=travelling.message("asked"),
        capture_output=True,
        text=True,
    )
    assert (done.stdout, done.stderr) == ("all here\n", "")


def test_two_that_import_one_another_are_each_sent_once(room: Path) -> None:
    say(room, one="import rackwright.remote.two", two="import rackwright.remote.one")
    assert set(travelling.closure("one")) == {f"{ROOM}.one", f"{ROOM}.two"}


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("from rackwright.errors import Fault", "imports rackwright.errors, which does not"),
        ("from rackwright import errors", "imports rackwright.errors, which does not"),
        ("import tomllib", "imports tomllib, which does not"),
        ("import rackwright", "imports rackwright, which does not"),
        (
            "def main():\n    import yaml",
            r"remote\.two travels to hosts and imports yaml, which does not",
        ),
        ("from rackwright.remote import gone", r"remote\.gone is to travel to hosts, and is no"),
        ("from rackwright.remote.gone import x", r"remote\.gone is to travel to hosts"),
    ],
)
def test_an_import_that_no_host_could_follow_is_refused(
    room: Path, script: str, words: str
) -> None:
    say(room, one="from rackwright.remote import two", two=script)
    with pytest.raises(ImportError, match=words):
        travelling.closure("one")


def test_a_traceback_names_the_file_and_line_in_the_project(room: Path) -> None:
    say(room, one="from rackwright.remote.deep.well import sink\ndef main(): sink()")
    say(room, deep__well="\n\ndef sink(): raise RuntimeError('too deep')")
    done = subprocess.run(
        [*OWN, "-c", travelling.loader()],
        input=travelling.message("one"),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert 'File "rackwright/remote/deep/well.py", line 3, in sink' in done.stderr
    assert done.stderr.endswith("RuntimeError: too deep\n")


# --- on a host -----------------------------------------------------------------------------------


def test_what_travels_goes_before_what_a_host_has_installed(tmp_path: Path) -> None:
    for name in ("rackwright", "pynvml"):
        (tmp_path / f"{name}.py").write_text("raise RuntimeError('of the host')")
    done = run("glance", python=(sys.executable,), cwd=tmp_path)
    assert done.stderr == "" and "of the host" not in done.stdout


def by_hand(script: str, *python: str) -> Any:
    done = subprocess.run(
        [*python, "-"], input=program(script), capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


def test_a_script_is_one_program_for_a_host_that_is_reached_by_hand() -> None:
    assert by_hand("probe", *OWN)["schema"] == 1


@pytest.mark.skipif(not runs("python3.9"), reason="there is no Python 3.9 here")
def test_the_oldest_python_of_a_host_takes_it() -> None:
    assert by_hand("probe", "python3.9", "-I", "-S")["schema"] == 1


def test_a_message_is_one_line_and_small() -> None:
    """A host reads one line; what follows it is nobody's."""
    text = travelling.message("serving", {"key": "of\ntwo lines"})
    assert "\n" not in text
    assert len(text) < sum(map(len, closure("serving").values())) / 3

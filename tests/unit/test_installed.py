"""What a process of ours loads later, or reads once, is what others find as well."""

from __future__ import annotations

import gc
import subprocess
import sys
from importlib import metadata

from rackwright.installed import _read, loading, remember_entry_points


def python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_entry_points_are_those_that_are_there() -> None:
    remember_entry_points()
    group = "pyinfra.connectors"
    assert metadata.entry_points is not _read
    found = sorted(metadata.entry_points(group=group), key=lambda one: one.name)
    assert found == sorted(_read(group=group), key=lambda one: one.name)
    assert "rackwright" in {one.name for one in found}


def test_match_exec_is_still_run_for_paramiko() -> None:
    """By the library that it has for that, imported then; others may import it at any time."""
    text = "Match exec true\\n  User theirs\\n"
    code = (
        "import rackwright.runner, sys; from io import StringIO; from paramiko import SSHConfig;"
        "before = 'invoke' in sys.modules;"
        f"print(before, SSHConfig.from_text('{text}').lookup('a')['user'], 'invoke' in sys.modules)"
    )
    assert python(code) == "False theirs True"
    assert python("import rackwright.runner, invoke; print(invoke.run.__name__)") == "run"


def test_a_process_that_loads_collects_garbage_again_after_it() -> None:
    with loading():
        assert not gc.isenabled()
    assert gc.isenabled() and gc.get_freeze_count() > 0
    gc.unfreeze()

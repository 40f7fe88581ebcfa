"""Golden files, and what tests of the host's half share.

A golden file of ``tests/data/golden`` is compared verbatim. After a change that is meant:

    pytest tests/unit --regenerate && git diff tests/data/golden
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

from tests.samples.commands import Command

# Without a deadline: other work on the machine is no fault. The same examples in every run, so that
# a change fails by what it changed; `make fuzz` draws others.
settings.register_profile("same", deadline=None, derandomize=True)
settings.register_profile("anew", deadline=None)
settings.load_profile(os.environ.get("RACKWRIGHT_EXAMPLES", "same"))

GOLDEN = Path(__file__).parent / "data/golden"


def pytest_addoption(parser: pytest.Parser) -> None:
    words = "write the golden files anew instead of comparing with them"
    parser.addoption("--regenerate", action="store_true", help=words)


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, bytes], None]:
    """``golden(name, content)`` fails unless the golden file has that very content."""

    def compare(name: str, content: bytes) -> None:
        path = GOLDEN / name
        if request.config.getoption("--regenerate"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        assert path.exists(), f"no golden file {name}: run pytest with --regenerate"
        assert content.decode() == path.read_text(), (
            f"{name} is not as kept: if that is meant, `pytest tests/unit --regenerate`, then read "
            "`git diff tests/data/golden`"
        )

    return compare


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """``command(name, script)`` puts a shell script in front of everything on PATH."""
    folder = tmp_path / "fake-bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")

    def make(name: str, script: str) -> Path:
        path = folder / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        return path

    return make

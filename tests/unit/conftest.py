"""The NVML stand-in, and the real probe on it."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pynvml
import pytest

from lab import nvml
from rackwright.remote import probe


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The stand-in, built."""
    output = tmp_path_factory.mktemp("nvml") / nvml.SONAME
    nvml.build(output)
    return output


@pytest.fixture
def observe(
    library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], dict[str, Any]]:
    """The probe in this process, on a profile's text."""
    monkeypatch.setattr(pynvml, "nvmlLib", ctypes.CDLL(str(library)))
    monkeypatch.setattr(pynvml, "_nvmlGetFunctionPointer_cache", {})
    monkeypatch.setenv("RACKWRIGHT_NVML_PROFILE", str(tmp_path / "profile"))

    def observed(text: str) -> dict[str, Any]:
        (tmp_path / "profile").write_text(text)
        return probe.main()

    return observed

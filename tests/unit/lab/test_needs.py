from __future__ import annotations

import os
import platform
import shutil

import pytest

from lab import needs
from lab.errors import LabError


def test_everything_that_is_missing_is_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(shutil, "which", lambda command: None)
    monkeypatch.setattr(needs, "_has_cgroups", lambda: False)
    monkeypatch.setattr(needs, "_cpu_flags", lambda: ["sse4_2", "avx"])
    monkeypatch.setattr(platform, "release", lambda: "5.4.0-216-generic")
    with pytest.raises(LabError) as refused:
        needs.check()
    words = str(refused.value)
    assert "root is needed" in words
    assert "apt-get install apt-utils debootstrap gcc libc6-dev gnupg iproute2" in words
    assert "no cgroup hierarchy" in words
    assert "no AVX2" in words
    assert "older than 5.10" in words

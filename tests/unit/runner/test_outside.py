"""The way out for a lock, as it is: uv's words, URLs that have nothing, names that apt is asked."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, cast

import pytest

from rackwright.errors import HostError
from rackwright.runner import outside
from rackwright.runner.outside import Network
from tests.samples.commands import Command
from tests.samples.driver import planned, server

NETWORK = Network(cast(Any, None), cast(Any, None))


@pytest.fixture
def uv(command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Command:
    """Of PATH, since none lies beside Python."""
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    return command


def test_uv_says_what_it_prints(uv: Command) -> None:
    uv("uv", 'echo "lock: $*"; echo "a warning" >&2')
    assert NETWORK.uv("pip", "compile") == "lock: pip compile\n"


def test_uvs_words_are_the_error(uv: Command) -> None:
    uv("uv", 'echo "No solution found:\n  torch was not found" >&2; exit 1')
    with pytest.raises(HostError, match=r"^uv: No solution found: torch was not found$"):
        NETWORK.uv("pip", "compile")


def test_without_uv_it_says_how_to_have_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(HostError, match="`pip install uv`"):
        NETWORK.uv("pip")


def test_uv_is_waited_for_with_a_bound(uv: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    uv("uv", "exec sleep 600")
    monkeypatch.setattr(outside, "UV_LIMIT_S", 0.2)
    with pytest.raises(HostError, match="timed out"):
        NETWORK.uv("pip")


def test_a_file_is_as_large_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(b"12345")
    assert NETWORK.size_bytes(f"file://{tmp_path}/a.tar") == 5
    with pytest.raises(HostError, match="No such file"):
        NETWORK.size_bytes(f"file://{tmp_path}/gone.tar")


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/a", "http://nowhere.invalid/a", "http://[::1"])
def test_a_url_that_has_nothing_is_said_with_why(url: str) -> None:
    for ask in (NETWORK.get, NETWORK.size_bytes):
        with pytest.raises(HostError) as caught:
            ask(url)  # type: ignore[operator]
        assert str(caught.value).startswith(f"{url}: ")


def test_apt_is_asked_for_a_driver_at_its_version_and_for_nothing_of_a_kernel() -> None:
    plan = planned("debian12", server("h100-sxm-80gb", 8, "nvswitch"))
    names = outside._named(plan)
    assert f"nvidia-driver-cuda={plan.version}-*" in names
    assert f"nvidia-driver-pinning-{plan.version}" in names and "gcc" in names
    assert any(one.key.startswith("linux-headers-") for one in plan.packages)
    assert not any(name.startswith("linux-") for name in names)

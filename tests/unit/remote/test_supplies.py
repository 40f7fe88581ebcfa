"""Where a host has packages from: its own places, a mirror, or a bundle alone."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from rackwright.remote.host import supplies
from rackwright.remote.host.running import Failed
from rackwright.remote.host.supplies import (
    archives,
    beyond_proxies,
    of_pip,
    of_uv,
    of_uv_python,
    sources_for,
)

URL = "http://127.0.0.1:4711/word"
BUNDLE: dict[str, Any] = {"python": ">=3.11", "bundle": {"url": URL, "python": "3.11"}}
MIRROR: dict[str, Any] = {
    "python": ">=3.11",
    "index": "https://mirror.example/simple",
    "builds": "https://mirror.example/pythons",
}
PLAIN: dict[str, Any] = {"python": ">=3.11", "index": None, "builds": None}


@pytest.fixture(autouse=True)
def bookworm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supplies, "os_release", lambda: {"ID": "debian", "VERSION_ID": "12"})


def test_a_host_with_nothing_said_goes_where_it_is_set_up_to() -> None:
    assert of_pip(PLAIN) == ([], {})
    assert of_uv(PLAIN) == ([], {})
    assert of_uv_python(PLAIN) == (["--python", ">=3.11"], {})


def test_a_mirror_is_asked_instead() -> None:
    assert of_pip(MIRROR) == (["--index-url", "https://mirror.example/simple"], {})
    assert of_uv(MIRROR) == (["--default-index", "https://mirror.example/simple"], {})
    words, environment = of_uv_python(MIRROR)
    assert words == ["--python", ">=3.11"]
    assert environment == {"UV_PYTHON_INSTALL_MIRROR": "https://mirror.example/pythons"}


def test_a_bundle_is_asked_alone_whatever_the_host_is_set_up_with() -> None:
    links = f"{URL}/wheels/"
    assert of_pip(BUNDLE) == (
        ["--no-index"],
        {"PIP_CONFIG_FILE": os.devnull, "PIP_FIND_LINKS": links},
    )
    assert of_uv(BUNDLE) == (
        ["--no-config", "--no-index"],
        {"UV_FIND_LINKS": links},
    )
    words, places = of_uv_python(BUNDLE)
    assert words == ["--no-config", "--python", "3.11"]
    assert places == {"UV_PYTHON_INSTALL_MIRROR": f"{URL}/pythons"}


def test_the_word_of_a_bundle_is_on_no_command_line() -> None:
    for of in (of_pip, of_uv, of_uv_python):
        assert not any("word" in part for part in of(BUNDLE)[0])


@pytest.mark.parametrize("before", [None, "internal.example"])
def test_no_proxy_stands_before_a_loopback_address(
    monkeypatch: pytest.MonkeyPatch, before: str | None
) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        if before:
            monkeypatch.setenv(name, before)
    beyond_proxies()
    for name in ("no_proxy", "NO_PROXY"):
        assert os.environ[name].split(",") == [*([before] if before else []), "127.0.0.1"]


class TestApt:
    """Sources that only our runs read."""

    def test_none_are_said(self) -> None:
        with archives(None) as options:
            assert options == []

    def test_a_release_without_a_mirror_keeps_its_own(self) -> None:
        supply = {"only": False, "sources": {"ubuntu2404": "Types: deb"}}
        with archives(supply) as options:
            assert options == []

    def test_a_release_without_a_bundle_is_refused(self) -> None:
        supply = {"only": True, "sources": {"debian13": "Types: deb"}}
        with pytest.raises(Failed, match=r"packages of debian13 for this host, which is debian12"):
            sources_for(supply)

    @pytest.mark.parametrize("only", [True, False])
    def test_they_lie_in_a_folder_that_is_gone_afterwards(
        self, only: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        """A mirror of the distribution has no driver: the archive of that is read beside it."""
        monkeypatch.setattr(supplies, "APT_PARTS", tmp_path)
        (tmp_path / "rackwright-nvidia.sources").write_text("of a driver")
        (tmp_path / "rackwright-nvidia.sources.bak").write_text("not read by apt")
        (tmp_path / "debian.sources").write_text("the host's own")
        supply = {"only": only, "sources": {"debian12": "of the supply"}}
        with archives(supply) as options:
            pairs = dict(word.split("=", 1) for word in options if word != "-o")
            parts = Path(pairs["Dir::Etc::sourceparts"])
            texts = {path.read_text() for path in parts.iterdir()}
            assert texts == {"of the supply"} | (set() if only else {"of a driver"})
            assert {path.suffix for path in parts.iterdir()} == {".sources"}
            assert pairs["Dir::Etc::sourcelist"] == "/dev/null"
            assert Path(pairs["Dir::State::lists"], "partial").is_dir()
            assert pairs["Acquire::http::Proxy::127.0.0.1"] == "DIRECT"
        assert not parts.exists()

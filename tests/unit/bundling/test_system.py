"""What a host says of its system, and which Python of it engines run on."""

from __future__ import annotations

from pathlib import Path

import pytest

from rackwright.bundling.system import (
    distribution_of,
    python_of,
    read_systems,
    system_of,
    write_systems,
)
from rackwright.errors import InputError, SpecError
from rackwright.remote import system as remote
from tests.samples.bundles import said, system

SEVERAL = {
    "/usr/bin/python3": "3.10.12",
    "/usr/bin/python3.12": "3.12.3",
    "/usr/local/bin/python3.13": "3.13.1",
}


@pytest.mark.parametrize(
    ("pythons", "wanted", "expected"),
    [
        ({"/usr/bin/python3": "3.11.2"}, ">=3.11,<3.15", "3.11.2"),
        ({"/usr/bin/python3": "3.10.12"}, ">=3.11,<3.15", None),
        (SEVERAL, ">=3.11,<3.15", "3.13.1"),
        (SEVERAL, ">=3.9", "3.10.12"),  # the system's own goes before newer ones
        (SEVERAL, "3.12", "3.12.3"),
        (SEVERAL, "3.12.3", "3.12.3"),
        (SEVERAL, "3.12.4", None),
        (SEVERAL, "python3.13", "3.13.1"),
        (SEVERAL, "/usr/bin/python3.12", "3.12.3"),
        (SEVERAL, "/opt/python", None),
        ({"/usr/bin/python3": "garbled"}, ">=3.11", None),
    ],
)
def test_the_python_that_a_setting_means(
    pythons: dict[str, str], wanted: str, expected: str | None
) -> None:
    assert python_of(system(pythons=pythons), wanted) == expected


def test_names_of_a_system() -> None:
    noble = system(id="ubuntu", version_id="24.04", architecture="arm64")
    assert noble.key == "ubuntu 24.04 arm64"
    assert noble.folder == "debs/ubuntu-24.04-arm64"
    assert noble.distribution == "ubuntu2404" == distribution_of(noble.key)


def test_what_was_asked_inside_is_read_outside(tmp_path: Path) -> None:
    systems = {"gpu1": system(), "gw1": system(version_id="13")}
    write_systems(tmp_path / "systems.json", systems)
    assert read_systems(tmp_path / "systems.json") == systems
    assert (tmp_path / "systems.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("text", ["", "[]", "{", '{"gpu1": 3}'])
def test_a_file_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "systems.json").write_text(text)
    with pytest.raises(InputError):
        read_systems(tmp_path / "systems.json")


def test_an_answer_that_is_none_is_refused_with_every_fault() -> None:
    with pytest.raises(SpecError) as caught:
        system_of("gpu1", said(id="../..", glibc="new"))
    assert {fault.path for fault in caught.value.faults} == {
        "systems[gpu1].id",
        "systems[gpu1].glibc",
    }


class TestOnTheHost:
    """The questions, asked here."""

    def test_a_sources_files_are_found_in_both_formats(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setattr(remote, "APT", tmp_path)
        texts = [
            "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://a.example x y",
            "URIs: mirror+file:/etc/apt/mirrors/debian.list\nSuites: x",
            "URIs: https://a.example/usr/share/keyrings/no.gpg",
        ]
        named = {path for text in texts for path in remote.NAMED.findall(text)}
        assert named == {
            "/usr/share/keyrings/debian-archive-keyring.gpg",
            "/etc/apt/mirrors/debian.list",
        }

    def test_trusted_keys_come_along(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setattr(remote, "APT", tmp_path)
        monkeypatch.setattr(remote, "KEYRINGS", tmp_path / "none")
        (tmp_path / "trusted.gpg.d").mkdir()
        (tmp_path / "trusted.gpg.d/own.asc").write_text("key")
        (tmp_path / "trusted.gpg.d/large.gpg").write_bytes(b"0" * (remote.MOST_BYTES + 1))
        assert list(remote.files_named([])) == [f"{tmp_path}/trusted.gpg.d/own.asc"]

    def test_pythons_are_asked_for_their_version(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        for name, script in (
            ("python3", "echo 3.11.2"),
            ("python3.12", "echo 3.12.3"),
            ("python3-config", "echo no"),
            ("python3.13", "exit 1"),
        ):
            (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
            (tmp_path / name).chmod(0o755)
        monkeypatch.setattr(remote, "PROGRAMS", (str(tmp_path), "/nowhere"))
        found = {Path(path).name: version for path, version in remote.pythons().items()}
        assert found == {"python3": "3.11.2", "python3.12": "3.12.3"}

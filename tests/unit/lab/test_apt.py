"""What the lab's apt stand-ins are: sources of another suite, and NVIDIA's packages by name."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from debian.deb822 import PkgRelation

from lab.apt.packages import VERSIONS, Package, kernel, of_driver, others
from lab.apt.repository import _nvml
from lab.fleet import ALL
from lab.image import for_suite

DEB822 = """\
Types: deb
# bookworm, as installed
URIs: http://mirror.example/bookworm/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/bookworm.gpg
"""
ONE_LINE = """\
deb [arch=amd64] http://mirror.example/debian bookworm main
deb http://mirror.example/debian-security bookworm-security main
deb http://mirror.example/old bookworm/updates main
"""


def named(version: str) -> dict[str, Package]:
    return {one.fields["Package"]: one for one in of_driver(version)}


def test_a_machines_deb822_sources_name_another_suite_and_nothing_else_changes() -> None:
    expected = DEB822.replace("Suites: bookworm bookworm-updates", "Suites: trixie trixie-updates")
    assert for_suite(DEB822, "bookworm", "trixie") == expected
    assert for_suite(DEB822, "bookworm", "bookworm") == DEB822


def test_a_machines_one_line_sources_name_another_suite() -> None:
    assert for_suite(ONE_LINE, "bookworm", "trixie") == ONE_LINE.replace("bookworm", "trixie")


@pytest.mark.parametrize("version", VERSIONS)
def test_every_exact_dependency_is_a_package_of_the_same_version(version: str) -> None:
    found = named(version)
    wanted = [
        (either["name"], needed)
        for one in found.values()
        for relation in PkgRelation.parse_relations(one.fields.get("Depends", ""))
        for either in relation
        for operator, needed in [either["version"] or ("", "")]
        if operator == "="
    ]
    assert len(wanted) > 10
    for name, needed in wanted:
        assert found[name].fields["Version"] == needed == f"{version}-1"


def test_files_of_the_tree_belong_to_packages() -> None:
    known = [*of_driver(VERSIONS[0]), *others(), kernel("6.18.44")]
    for folder in Path("lab/apt/tree").iterdir():
        assert any(one.fill(folder.name) == one.fields["Package"] for one in known), folder


@pytest.mark.skipif(not shutil.which("dpkg-deb"), reason="dpkg-deb is Debian's and Ubuntu's")
def test_pins_hold_a_branch_or_a_version(tmp_path: Path) -> None:
    found = named("580.159.04")
    for name, pin in (("nvidia-driver-pinning-580", "580.*"),
                      ("nvidia-driver-pinning-580.159.04", "580.159.04*")):  # fmt: skip
        found[name].build(tmp_path, tmp_path / "scratch", {})
        assert (tmp_path / found[name].file).exists()
        root = tmp_path / "scratch" / found[name].file
        preferences = (root / "etc/apt/preferences.d/nvidia-driver-pin").read_text()
        assert f"Pin: version {pin}\n" in preferences
        assert (
            root / "DEBIAN/conffiles"
        ).read_text() == "/etc/apt/preferences.d/nvidia-driver-pin\n"


@pytest.mark.skipif(not shutil.which("dpkg-deb"), reason="dpkg-deb is Debian's and Ubuntu's")
def test_the_library_is_a_file_of_its_version_and_a_link(tmp_path: Path) -> None:
    one = named("580.159.04")["libnvidia-ml1"]
    one.build(tmp_path, tmp_path / "scratch", _nvml(one.driver, b"a library"))
    folder = tmp_path / "scratch" / one.file / "usr/lib/x86_64-linux-gnu"
    assert (folder / "libnvidia-ml.so.1").readlink() == Path("libnvidia-ml.so.580.159.04")
    assert (folder / "libnvidia-ml.so.1").read_bytes() == b"a library"


def test_every_package_says_that_it_is_a_stand_in() -> None:
    for one in (*of_driver("595.71.05"), *others(), kernel("6.18.44")):
        assert one.fields["Description"].startswith("stand-in of the Rackwright lab")


def test_no_two_lab_hosts_share_a_name_or_an_address() -> None:
    assert len({host.name for host in ALL}) == len({host.address for host in ALL}) == len(ALL)

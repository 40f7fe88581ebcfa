"""Kernels in /boot, their headers, their modules and packages, in folders of the test."""

from __future__ import annotations

from pathlib import Path

import pytest

from rackwright.remote.host.running import Failed
from rackwright.remote.nvidia import kernels
from tests.samples.commands import Command

MODINFO = """
case "$1 $2 $3" in
"--set-version 6.8.0-87-generic nvidia") printf 'filename:       %s\\nversion:        580.159.04\\n\
license:        Dual MIT/GPL\\nalias:          version:of nothing\\n' \
/lib/modules/6.8.0-87-generic/updates/dkms/nvidia.ko.zst ;;
"--set-version 6.12.57+deb13-amd64 nvidia-current-open") printf 'filename:       %s\\n\
version:        550.163.01\\n' /lib/modules/6.12.57+deb13-amd64/kernel/nvidia-current-open.ko ;;
*) exit 1 ;;
esac
"""
ROWS = """linux-image-generic installed
linux-image-6.8.0-87-generic installed
linux-headers-generic not-installed
linux-headers-6.8.0-87-generic installed
linux-image-6.8.0-40-generic config-files
"""


@pytest.fixture(autouse=True)
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: Command) -> Path:
    for name, place in (("BOOT", "boot"), ("KERNELS", "lib/modules"), ("GRUB", "etc/default")):
        (tmp_path / place).mkdir(parents=True)
        monkeypatch.setattr(kernels, name, tmp_path / place)
    command("modinfo", MODINFO)
    command("dpkg-query", f"cat <<'END'\n{ROWS}END\nexit 1")
    return tmp_path


def install(host: Path, release: str, *, headers: bool = False, modules: bool = True) -> None:
    (host / "boot" / f"vmlinuz-{release}").touch()
    if modules:
        (host / "lib/modules" / release).mkdir()
    if modules and headers:
        (host / "lib/modules" / release / "build").symlink_to(host)


def test_each_kernel_is_told_with_headers_and_module(host: Path) -> None:
    install(host, "6.8.0-87-generic", headers=True)
    install(host, "6.8.0-101-generic")
    install(host, "6.12.57+deb13-amd64")
    install(host, "6.8.0-87-generic.old", modules=False)
    (host / "boot/initrd.img-6.8.0-87-generic").touch()
    nothing = {"headers": False, "module": "", "dkms": False}
    assert kernels.kernels()["installed"] == [
        {"release": "6.12.57+deb13-amd64", **nothing, "module": "550.163.01"},
        {"release": "6.8.0-101-generic", **nothing},
        {"release": "6.8.0-87-generic", "headers": True, "module": "580.159.04", "dkms": True},
    ]


def test_headers_whose_package_was_removed_leave_a_link_to_nothing(host: Path) -> None:
    install(host, "6.8.0-101-generic")
    (host / "lib/modules/6.8.0-101-generic/build").symlink_to(host / "usr/src/gone")
    assert kernels.kernels()["installed"][0]["headers"] is False


def test_packages_that_are_installed_are_named() -> None:
    assert kernels.kernels() == {
        "installed": [],
        "packages": [
            "linux-headers-6.8.0-87-generic",
            "linux-image-6.8.0-87-generic",
            "linux-image-generic",
        ],
        "grub_default": "",
    }


@pytest.mark.parametrize(
    ("text", "more", "default"),
    [
        ("GRUB_TIMEOUT=0\nGRUB_DEFAULT=0\n", "", ""),
        ("# GRUB_DEFAULT=saved\n", "", ""),
        ("GRUB_DEFAULT=saved\n", "", "saved"),
        ("GRUB_DEFAULT='1>2'\n", 'GRUB_DEFAULT="0"\n', ""),
        ("GRUB_DEFAULT=0\n", 'GRUB_DEFAULT="Ubuntu, with Linux 6.8.0-87-generic"\n',
         "Ubuntu, with Linux 6.8.0-87-generic"),
    ],
)  # fmt: skip
def test_what_grub_is_told_to_boot(host: Path, text: str, more: str, default: str) -> None:
    (host / "etc/default/grub").write_text(text)
    (host / "etc/default/grub.d").mkdir()
    (host / "etc/default/grub.d/50-cloud.cfg").write_text(more)
    assert kernels.kernels()["grub_default"] == default


def test_dpkg_that_fails_is_told_in_its_words(command: Command) -> None:
    command("dpkg-query", "echo 'the status database is broken' >&2; exit 2")
    with pytest.raises(Failed, match="the status database is broken"):
        kernels.kernels()


def test_a_system_without_dpkg_has_no_packages(host: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(host))
    assert kernels.kernels() == {"installed": [], "packages": [], "grub_default": ""}
    install(host, "6.8.0-87-generic")
    with pytest.raises(Failed, match="modinfo is not there"):
        kernels.kernels()

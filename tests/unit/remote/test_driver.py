"""The host's half of the driver, run against folders of the test; commands are stood in for."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rackwright.remote import driver
from rackwright.remote.host import archives as apt
from rackwright.remote.host import supplies
from rackwright.remote.nvidia import facts, kernel_module, kernels, packages

Command = Callable[[str, str], Path]
POLICY = """nvidia-smi:
  Installed: 535.261.03-1
  Candidate: 535.309.01-0+deb12u1
  Version table:
     535.309.01-0+deb12u1 500
        500 http://deb.example/debian bookworm-updates/non-free amd64 Packages
 *** 535.261.03-1 500
        500 http://deb.example/debian bookworm/non-free amd64 Packages
        100 /var/lib/dpkg/status
libcuda1:
  Installed: 580.159.04-1
  Candidate: 580.159.04-1
  Version table:
 *** 580.159.04-1 100
        100 /var/lib/dpkg/status
nvidia-driver-cuda:
  Installed: 580.159.04-1
  Version table:
 *** 580.159.04-1 1000
        500 https://mirror.example/cuda  Packages
"""


@pytest.fixture(autouse=True)
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A host with nothing on it, below the test's folder."""
    for module, name, place in (
        (facts, "MODULES", "sys/module"),
        (facts, "PCI", "sys/bus/pci/devices"),
        (facts, "PROC", "proc"),
        (facts, "KERNELS", "lib/modules"),
        (kernels, "BOOT", "boot"),
        (kernels, "KERNELS", "lib/modules"),
        (kernels, "GRUB", "etc/default"),
        (apt, "APT", "etc/apt"),
        (apt, "LISTS", "var/lib/apt/lists"),
    ):
        monkeypatch.setattr(module, name, tmp_path / place)
        (tmp_path / place).mkdir(parents=True, exist_ok=True)
    (tmp_path / "etc/apt/sources.list.d").mkdir()
    monkeypatch.setattr(packages, "RUNFILE", (tmp_path / "nvidia-uninstall",))
    monkeypatch.setattr(facts, "FILESYSTEMS", (str(tmp_path),))
    write(tmp_path / "proc/sys/kernel/random/boot_id", "boot-1\n")
    return tmp_path


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.fixture
def bare(command: Command) -> None:
    """dpkg and apt know no package of the driver."""
    command("dpkg-query", "exit 1")
    command("apt-cache", "true")


@pytest.mark.usefixtures("bare")
def test_a_bare_host_has_all_facts(host: Path) -> None:
    seen = driver.main({"do": "observe"})
    assert not set(seen["unavailable"]) & set(facts.FACTS)
    assert {name: seen[name] for name in facts.FACTS if name != "free_bytes"} == {
        "pci": [], "headers": False, "on_disk": "", "open": None,
        "kernels": {"installed": [], "packages": [], "grub_default": ""},
        "nouveau": False, "users": [], "packages": [], "sources": [], "runfile": [],
        "boot_id": "boot-1",
    }  # fmt: skip
    assert seen["os"]["kernel"] == os.uname().release


@pytest.mark.usefixtures("bare")
def test_what_cannot_be_read_is_null_with_its_reason(host: Path) -> None:
    (host / "proc/sys/kernel/random/boot_id").unlink()
    seen = driver.main({"do": "observe"})
    assert seen["boot_id"] is None
    assert seen["unavailable"]["boot_id"].startswith("FileNotFoundError")


def test_gpus_and_switches_are_seen_without_a_driver(host: Path) -> None:
    for address, vendor, kind in (
        ("0000:17:00.0", "0x10de", "0x030200"),
        ("0000:07:00.0", "0x10de", "0x068000"),
        ("0000:00:01.0", "0x8086", "0x060400"),
    ):
        write(host / f"sys/bus/pci/devices/{address}/vendor", f"{vendor}\n")
        write(host / f"sys/bus/pci/devices/{address}/class", f"{kind}\n")
    assert [(one["address"], one["class"]) for one in facts.pci()] == [
        ("0000:07:00.0", "0680"),
        ("0000:17:00.0", "0302"),
    ]


def test_the_running_kernels_headers_and_modules(host: Path, command: Command) -> None:
    write(host / f"lib/modules/{os.uname().release}/build/Makefile", "")
    command("modinfo", "echo 580.159.04")
    write(host / "sys/module/nvidia/version", "580.159.04\n")
    write(host / "sys/module/nouveau/refcnt", "0\n")
    text = "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.159.04  Release Build\n"
    write(host / "proc/driver/nvidia/version", text)
    assert (facts.headers(), kernel_module.on_disk(), facts.is_open()) == (True, "580.159.04", True)
    assert facts.FACTS["nouveau"]() is True


def test_debian_s_own_module_has_another_file_name(command: Command) -> None:
    command("modinfo", '[ "$3" = nvidia-current-open ] && echo 550.163.01')
    assert kernel_module.on_disk() == "550.163.01"


def test_a_kernel_without_the_module_is_no_failure(command: Command) -> None:
    command("modinfo", "echo 'modinfo: ERROR: Module nvidia not found.' >&2; exit 1")
    assert kernel_module.on_disk() == ""


def test_who_has_a_device_open_is_told(host: Path) -> None:
    for pid, target in ((405, "/dev/nvidia0"), (406, "/dev/null"), (407, "/dev/nvidia-uvm")):
        (host / f"proc/{pid}/fd").mkdir(parents=True)
        (host / f"proc/{pid}/fd/3").symlink_to(target)
    (host / "proc/408").mkdir()  # ended meanwhile
    assert [one["pid"] for one in facts.users()] == [405, 407]


def test_packages_are_told_with_where_they_came_from(host: Path, command: Command) -> None:
    rows = [
        ("nvidia-smi", "535.261.03-1", "installed", "hold"),
        ("libcuda1", "580.159.04-1", "half-configured", "install"),
        ("nvidia-driver-cuda", "580.159.04-1", "installed", "install"),
        ("nvidia-old", "470-1", "config-files", "deinstall"),
        ("nvidia-none", "", "not-installed", "unknown"),
    ]
    write(host / "rows", "".join("\t".join(row) + "\n" for row in rows))
    write(host / "policy", POLICY)
    command("dpkg-query", f"cat {host}/rows; exit 1")
    command("apt-cache", f"cat {host}/policy")
    assert [(p["name"], p["held"], p["status"], p["origins"]) for p in packages.packages()] == [
        ("nvidia-smi", True, "installed", ["http://deb.example/debian bookworm/non-free"]),
        ("libcuda1", False, "half-configured", []),
        ("nvidia-driver-cuda", False, "installed", ["https://mirror.example/cuda Packages"]),
    ]


def test_source_files_are_told_in_both_formats(host: Path) -> None:
    write(host / "etc/apt/sources.list", "deb http://x y z\n")
    write(host / "etc/apt/sources.list.d/a.sources", "Types: deb\n")
    write(host / "etc/apt/sources.list.d/b.list.save", "deb old\n")
    assert [Path(one["path"]).name for one in apt.sources()] == ["sources.list", "a.sources"]


@pytest.mark.parametrize("owned", [True, False])
def test_an_installer_s_traces_count_where_no_package_owns_them(
    host: Path, command: Command, owned: bool
) -> None:
    write(host / "nvidia-uninstall", "")
    command("dpkg-query", "exit 0" if owned else "exit 1")
    assert packages.runfile() == ([] if owned else [str(host / "nvidia-uninstall")])


# --- what archives offer -----------------------------------------------------------------------


def asked(**changed: Any) -> dict[str, Any]:
    return {"do": "look", "sources": {}, "names": ["libcuda"], "prefix": "pin-", **changed}


@pytest.fixture
def archives(host: Path, command: Command) -> Path:
    """apt that records what it was asked, and in which folder."""
    said = host / "said"
    command("apt-get", f'echo "apt-get $*" >> {said}; cat {host}/complaints')
    script = f"""echo "apt-cache $*" >> {said}
case "$*" in *madison*) echo 'libcuda | 580.159.04-1 | https://x.example  Packages';;
*pkgnames*) printf 'pin-580.159.04\\npin-580\\n';; esac
for word in "$@"; do case $word in Dir::Etc::sourceparts=*)
ls ${{word#*=}} >> {said}; cat ${{word#*=}}/* >> {said};; esac; done"""
    command("apt-cache", script)
    write(host / "complaints", "Hit:1 https://x.example InRelease\n")
    return said


def test_archives_are_asked_in_a_folder_of_their_own(host: Path, archives: Path) -> None:
    write(host / "etc/apt/sources.list.d/debian.sources", "the host's own\n")
    write(host / "etc/apt/sources.list.d/rackwright-x.sources", "of yesterday\n")
    write(host / "var/lib/apt/lists/x_Packages", "cached")
    before = sorted(path for path in host.rglob("*") if path.is_file() and path != archives)
    seen = driver.main(asked(sources={"rackwright-x.sources": "of today\n"}))
    assert seen == {
        "update": "",
        "versions": {"libcuda": [["580.159.04-1", "https://x.example"]]},
        "family": ["pin-580", "pin-580.159.04"],
    }
    said = archives.read_text()
    assert "the host's own" in said and "of today" in said and "of yesterday" not in said
    assert "Dir::State::lists=/var/tmp/rackwright-apt-" in said
    after = sorted(path for path in host.rglob("*") if path.is_file() and path != archives)
    assert after == before
    assert not list(Path("/var/tmp").glob("rackwright-apt-*"))


def test_where_a_bundle_is_meant_it_is_asked_alone(
    host: Path, archives: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supplies, "os_release", lambda: {"ID": "debian", "VERSION_ID": "12"})
    write(host / "etc/apt/sources.list.d/debian.sources", "the host's own\n")
    write(host / "var/lib/apt/lists/x_Packages", "cached")
    bundle = {"only": True, "sources": {"debian12": "the bundle\n"}}
    seen = driver.main(asked(sources={"rackwright-x.sources": "of a driver\n"}, apt=bundle))
    assert seen["versions"] == {"libcuda": [["580.159.04-1", "https://x.example"]]}
    said = archives.read_text()
    assert "the bundle" in said and "the host's own" not in said and "of a driver" not in said
    assert "Dir::Etc::sourcelist=/dev/null" in said


def test_a_mirror_of_the_distribution_is_asked_beside_the_drivers_archive(
    host: Path, archives: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supplies, "os_release", lambda: {"ID": "debian", "VERSION_ID": "12"})
    write(host / "etc/apt/sources.list.d/debian.sources", "the host's own\n")
    mirror = {"only": False, "sources": {"debian12": "the mirror\n"}}
    driver.main(asked(sources={"rackwright-x.sources": "of a driver\n"}, apt=mirror))
    said = archives.read_text()
    assert "the mirror" in said and "of a driver" in said and "the host's own" not in said


def test_apts_complaints_are_kept_and_its_progress_is_not(host: Path, archives: Path) -> None:
    words = [
        "Get:1 https://x.example InRelease",
        "Err:1 https://x.example InRelease",
        "  NO_PUBKEY 1234",
        "E: The repository 'https://x.example InRelease' is not signed.",
    ]
    write(host / "complaints", "\n".join(words) + "\n")
    assert driver.main(asked())["update"].splitlines() == [word.strip() for word in words[1:]]


def test_sources_that_apt_cannot_read_are_told_in_its_words(
    host: Path, archives: Path, command: Command
) -> None:
    command("apt-cache", "exit 100")
    write(host / "complaints", "E: The list of sources could not be read.\n")
    assert driver.main(asked()) == {
        "update": "E: The list of sources could not be read.",
        "versions": {},
        "family": [],
    }


# --- the module ----------------------------------------------------------------------------------


def test_a_module_that_does_not_load_says_why(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = "echo 'modprobe: ERROR: Key was rejected by service' >&2"
    command("modprobe", f"{refused}; {refused}; exit 1")
    command("modinfo", "exit 1")
    log = ["eth0 up", "Loading of unsigned module is rejected", "NVRM: none found"]
    monkeypatch.setattr(kernel_module, "kernel_log", lambda: iter(log))
    assert driver.main({"do": "load", "build": False}) == {
        "ok": False,
        "words": "modprobe: ERROR: Key was rejected by service",
        "log": log[1:],
    }


@pytest.mark.parametrize(("on_disk", "built"), [("580.159.04", False), ("", True)])
def test_a_kernel_that_came_later_has_its_module_built_first(
    host: Path, command: Command, monkeypatch: pytest.MonkeyPatch, on_disk: str, built: bool
) -> None:
    monkeypatch.setattr(kernel_module, "kernel_log", lambda: iter(()))
    command("modinfo", f"[ -n '{on_disk}' ] && echo {on_disk}")
    command("dkms", f"echo 'Building module' && echo \"dkms $*\" >> {host}/said")
    command("modprobe", f'echo "modprobe $*" >> {host}/said')
    reply = driver.main({"do": "load", "build": True})
    assert reply["ok"] and reply["log"] == (["dkms: Building module"] if built else [])
    said = (host / "said").read_text().splitlines()
    assert said == [*(["dkms autoinstall"] * built), "modprobe --all nvidia nvidia_uvm"]


def test_a_reboot_stops_units_first_and_names_the_boot(host: Path, command: Command) -> None:
    command("systemctl", f'echo "$*" >> {host}/said')
    assert driver.main({"do": "reboot", "units": ["a.service"]}) == {"boot_id": "boot-1"}
    said = (host / "said").read_text().splitlines()
    assert said == ["stop a.service", "--no-block reboot"]


def test_units_are_stopped_and_started_by_name(host: Path, command: Command) -> None:
    command("systemctl", f'echo "$*" >> {host}/said')
    driver.main({"do": "stop", "units": []})
    driver.main({"do": "stop", "units": ["a.service"]})
    driver.main({"do": "start", "units": ["a.service"]})
    assert (host / "said").read_text().splitlines() == [
        "stop a.service",
        "--no-block start a.service",
    ]

"""What is installed where, as exact commands and files: tests/data/golden/driver-*."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from rackwright.catalog import gpu_types
from rackwright.desired.items import Absent, Change, File, Initramfs, Package, Unit, payload
from rackwright.driver.facts import Facts, Unknown
from rackwright.driver.outcome import disagreement, fabric_pending, reboot_reason
from rackwright.driver.plan import DriverPlan, Unsupported, decide
from rackwright.remote.items import packages
from rackwright.spec import OtherGpuSpec
from tests.samples.driver import (
    DEBIAN,
    installed,
    loaded,
    of_age,
    planned,
    seen,
    server,
    settings,
)

NVIDIA = "https://developer.download.nvidia.com/compute/cuda/repos/debian12/x86_64"
HGX_H100 = server("h100-sxm-80gb", 8, "nvswitch")
HGX_B200 = server("b200-sxm-180gb", 8, "nvswitch")
L40S = server("l40s-48gb", 4, "pcie")
TUNED = server("l40s-48gb", 4, "pcie", power_limit_w=300, ecc=True)
SECURE = {"os": {"secure_boot": True}}
ARM = {"os": {"architecture": "aarch64", "kernel": "6.8.0-87-generic-64k"}}

GOLDEN: dict[str, Callable[[], DriverPlan]] = {
    "ubuntu2204-nvidia": lambda: planned("ubuntu2204", L40S),
    "ubuntu2204-secure-boot": lambda: planned("ubuntu2204", L40S, facts=SECURE),
    "ubuntu2404-nvidia": lambda: planned("ubuntu2404", TUNED, cuda_toolkit=("13.0", "12.9")),
    "ubuntu2404-secure-boot-nvswitch": lambda: planned("ubuntu2404", HGX_H100, facts=SECURE),
    "ubuntu2404-nvlink5": lambda: planned("ubuntu2404", HGX_B200),
    "ubuntu2404-branch-595": lambda: planned("ubuntu2404", L40S, driver_version="595.71.05"),
    "ubuntu2404-arm64": lambda: planned("ubuntu2404", server("gh200-96gb", 1), facts=ARM),
    "ubuntu2404-volta": lambda: planned("ubuntu2404", L40S, of_age(7, 0)),
    "debian12-nvidia": lambda: planned("debian12", L40S),
    "debian12-nvidia-nvswitch": lambda: planned("debian12", HGX_H100),
    "debian12-debian": lambda: planned(
        "debian12", L40S, driver_source="debian", driver_version="535.261.03"
    ),
    "debian12-volta": lambda: planned("debian12", L40S, of_age(7, 0)),
    "debian12-turing": lambda: planned("debian12", L40S, of_age(7, 5)),
    "debian13-nvidia": lambda: planned("debian13", L40S),
    "debian13-nvlink5": lambda: planned("debian13", HGX_B200),
    "debian13-debian": lambda: planned(
        "debian13", L40S, driver_source="debian", driver_version="550.163.01"
    ),
    "debian13-mirror": lambda: planned(
        "debian13",
        L40S,
        driver_repository="http://mirror.example/cuda/{distribution}/{architecture}/",
        driver_repository_key="rackwright/driver/keys/nvidia-3bf863cc.asc",
    ),
}


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the host's half would run, word by word."""
    words: list[str] = []
    monkeypatch.setattr(packages, "_patiently", lambda *argv: words.append(" ".join(argv)))
    return words


def text_of(plan: DriverPlan, said: list[str]) -> str:
    """Every stage with its commands and files, then the units."""
    lines: list[str] = []
    for stage in plan.stages:
        lines.append(f"##### {stage.name}")
        wanted = [item for item in stage.items if isinstance(item, Package)]
        said.clear()
        packages.install(payload([Change(package, "", {}) for package in wanted]))
        lines += [f"$ {words}" for words in said]
        for item in stage.items:
            if isinstance(item, File):
                lines += [f"--- {item.key} {item.mode:04o}", item.content.decode()]
            if isinstance(item, Absent):
                lines.append(f"--- {item.key} taken away where it says {item.mark!r}")
            if isinstance(item, Initramfs):
                lines.append(f"$ update-initramfs -u -k all  (when {item.files[0].key} changed)")
    lines.append(f"##### units: {', '.join(unit.key for unit in plan.units)}")
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("name", GOLDEN)
def test_commands_and_files(
    name: str, said: list[str], golden: Callable[[str, bytes], None]
) -> None:
    golden(f"driver-{name}.txt", text_of(GOLDEN[name](), said).encode())


def names(plan: DriverPlan) -> list[str]:
    return [package.key for package in plan.packages]


def test_the_pin_is_in_a_transaction_of_its_own_before_the_driver() -> None:
    stages = {stage.name: stage for stage in planned("debian12").stages}
    assert [stage.name for stage in planned("debian12").stages] == [
        "archive", "kernel headers", "pin", "driver", "boot",
    ]  # fmt: skip
    assert stages["pin"].items == (Package("nvidia-driver-pinning-580.159.04"),)


def test_headers_that_are_there_or_accepted_are_not_installed() -> None:
    assert "linux-headers-6.1.0-41-amd64" in names(planned("debian12"))
    for plan in (
        planned("debian12", facts={"headers": True}),
        planned("debian12", driver_accept=("kernel-headers",)),
    ):
        assert not [name for name in names(plan) if name.startswith("linux-headers")]


@pytest.mark.parametrize(
    ("release", "facts", "asked", "archive"),
    [
        ("ubuntu2404", {}, "auto", "nvidia-ubuntu"),
        ("ubuntu2404", SECURE, "auto", "ubuntu"),
        ("ubuntu2404", SECURE, "nvidia", "nvidia-ubuntu"),
        ("ubuntu2404", {}, "ubuntu", "ubuntu"),
        ("debian13", SECURE, "auto", "nvidia-debian"),
        ("debian13", {}, "debian", "debian"),
    ],
)
def test_the_archive_follows_setting_and_secure_boot(
    release: str, facts: dict[str, Any], asked: str, archive: str
) -> None:
    assert planned(release, facts=facts, driver_source=asked).archive == archive


@pytest.mark.parametrize(
    ("release", "facts", "asked"),
    [
        ("debian12", {"os": {"id": "fedora", "version_id": "44"}}, "auto"),
        ("debian12", {"os": {"version_id": "11"}}, "auto"),
        ("debian12", {"os": {"architecture": "riscv64"}}, "auto"),
        ("debian12", {}, "ubuntu"),
        ("ubuntu2404", {}, "debian"),
    ],
)
def test_a_host_that_no_packages_are_known_for(
    release: str, facts: dict[str, Any], asked: str
) -> None:
    with pytest.raises(Unsupported):
        planned(release, facts=facts, driver_source=asked)


@pytest.mark.parametrize("key", ["id", "version_id", "architecture", "kernel", "secure_boot"])
def test_a_missing_fact_is_never_guessed(key: str) -> None:
    observed = seen("ubuntu2404", os={key: None})
    observed["unavailable"][f"os.{key}"] = "PermissionError: no"
    with pytest.raises(Unknown, match=f"os.{key} was not observed .PermissionError: no"):
        decide(settings(), L40S, gpu_types()["l40s-48gb"], Facts(observed))


def test_components_that_the_host_has_are_not_added_again() -> None:
    text = DEBIAN.replace("main", "main contrib non-free non-free-firmware")
    sources = [{"path": "/etc/apt/sources.list.d/debian.sources", "text": text}]
    plan = planned("debian12", facts={"sources": sources})
    assert list(plan.added) == ["rackwright-nvidia.sources"]


def test_our_own_source_file_does_not_take_itself_away() -> None:
    first = planned("debian12")
    there = [
        {"path": f"/etc/apt/sources.list.d/{name}", "text": text}
        for name, text in first.added.items()
    ]
    again = planned("debian12", facts={"sources": [*seen("debian12")["sources"], *there]})
    assert again.added == first.added and "rackwright-debian.sources" in again.added


def test_one_line_sources_are_read_as_well() -> None:
    line = "deb [arch=amd64 signed-by=/k.gpg] http://deb.example/debian bookworm main # all\n"
    plan = planned("debian12", facts={"sources": [{"path": "/etc/apt/sources.list", "text": line}]})
    assert plan.added["rackwright-debian.sources"].endswith(
        "Types: deb\nURIs: http://deb.example/debian\nSuites: bookworm\nComponents: contrib\n"
        "Signed-By: /k.gpg\n"
    )


def test_a_way_back_takes_along_what_was_installed_with_the_newer_version() -> None:
    present = installed(
        "nvidia-driver-cuda", "libnvidia-gpucomp", "nvidia-driver-pinning-580.159.04",
        version="580.159.04-1", origin=NVIDIA,
    )  # fmt: skip
    present += installed("nvidia-container-toolkit", version="1.19.1-1", origin=NVIDIA)
    present += installed("libnvidia-ml1-535", version="580.159.04-1", origin=NVIDIA)
    plan = planned("debian12", driver_version="580.126.20", facts={"packages": present})
    assert Package("libnvidia-gpucomp", version="580.126.20") in plan.packages
    assert not {"nvidia-container-toolkit", "libnvidia-ml1-535"} & set(names(plan))
    same = planned("debian12", facts={"packages": present})
    assert "libnvidia-gpucomp" not in names(same)


def test_the_pin_of_the_old_version_is_no_companion() -> None:
    present = installed(
        "nvidia-driver-cuda", "nvidia-driver-pinning-580.159.04",
        version="580.159.04-1", origin=NVIDIA,
    )  # fmt: skip
    plan = planned("debian12", driver_version="580.126.20", facts={"packages": present})
    assert [name for name in names(plan) if "pinning" in name] == [
        "nvidia-driver-pinning-580.126.20"
    ]


def test_units_are_those_of_the_hardware() -> None:
    assert [unit.key for unit in planned("debian12", L40S).units] == [
        "rackwright-gpu-settings.service"
    ]
    assert planned("debian12", HGX_H100).units[1] == Unit("nvidia-fabricmanager.service")


# --- after the packages ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({}, ""),
        ({"nouveau": True}, "nouveau drives the GPUs"),
        (loaded("580.159.04"), ""),
        (loaded("580.126.20"), "module 580.126.20 is loaded, 580.159.04 is installed"),
        (
            loaded("580.159.04", is_open=False),
            "the proprietary module is loaded, the open one is installed",
        ),
    ],
)
def test_a_reboot_is_needed_only_where_nothing_else_helps(
    facts: dict[str, Any], words: str
) -> None:
    assert reboot_reason(planned("debian12"), Facts(seen("debian12", **facts))) == words


@pytest.mark.parametrize(
    ("module", "library", "words"),
    [
        ("580.159.04", "580.159.04", ""),
        ("580.159.04", "580.126.20", "pinned 580.159.04, but library (NVML) 580.126.20"),
        ("580.126.20", "580.159.04", "pinned 580.159.04, but loaded module 580.126.20"),
        ("580.159.04", None, "pinned 580.159.04, but library (NVML) none"),
    ],
)
def test_module_library_and_pin_must_agree(module: str, library: str | None, words: str) -> None:
    facts = Facts(seen("debian12", **loaded(module)))
    nvml = {"driver_version": library} if library else None
    assert disagreement(planned("debian12"), facts, {"nvml": nvml}) == words


def test_a_fabric_that_is_not_completed_is_waited_for() -> None:
    gpus = [{"fabric": {"state": state}} for state in ("completed", "in_progress")]
    assert fabric_pending({"gpus": [*gpus, None, {"fabric": None}]}) == "GPU 1: in progress"
    assert fabric_pending({"gpus": gpus[:1]}) == ""


def test_a_guest_beside_an_nvswitch_gets_no_fabric_manager() -> None:
    """It would fail there: the switch is on the bus of the guest's host, which runs it."""
    guest = planned("ubuntu2404", HGX_H100.model_copy(update={"fabric_manager": "host"}))
    names = [package.key for package in guest.packages]
    assert not guest.fabric and not [name for name in names if "fabric" in name]
    assert [unit.key for unit in guest.units] == ["rackwright-gpu-settings.service"]
    assert planned("ubuntu2404", HGX_H100).fabric


def test_settings_at_boot_go_to_declared_gpus_alone() -> None:
    """A card for the display, and another type, keep their own power limit and MIG."""
    update = {"indexes": (1, 2), "count": 2}
    named = TUNED.model_copy(update={"gpus": TUNED.gpus.model_copy(update=update)})
    other = OtherGpuSpec(type="rtx-4090-24gb", count=1, indexes=(3,), power_limit_w=350)
    for spec, ids in (
        (named, ["1,2"]),
        (named.model_copy(update={"other_gpus": (other,)}), ["1,2", "3"]),
        (TUNED.model_copy(update={"other_gpus": (other,)}), ["0,1,2,3", "3"]),
    ):
        items = planned("ubuntu2404", spec).items
        (unit,) = [item for item in items if item.key.endswith("gpu-settings.service")]
        assert isinstance(unit, File)
        lines = [line for line in unit.content.decode().splitlines() if "nvidia-smi" in line]
        assert {line.partition("--id=")[2].partition(" ")[0] for line in lines} == set(ids)
        assert f"ExecStart=/usr/bin/nvidia-smi --id={ids[0]} --power-limit=300" in lines


def test_the_oldest_gpu_decides_about_the_modules() -> None:
    """One module drives all cards of a server."""
    other = OtherGpuSpec(type="l4-24gb", count=1, indexes=(4,))
    mixed = L40S.model_copy(update={"other_gpus": (other,)})
    assert planned("ubuntu2404", mixed).modules == "open"
    assert planned("ubuntu2404", mixed, of_age(7, 0)).modules == "proprietary"

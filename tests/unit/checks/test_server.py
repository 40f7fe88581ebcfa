"""Checks of hardware: each fault is found by exactly the check that is about it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rackwright.catalog import GpuType, gpu_types
from rackwright.checks import checks_about
from rackwright.checks.planned import PlannedServer, Tenant
from rackwright.checks.results import Status
from tests.samples.probes import CAPTURE, LINKS, Probe, declared, link, lost, planned, results, seen

OK, WARN, CRITICAL, UNKNOWN = Status.OK, Status.WARN, Status.CRITICAL, Status.UNKNOWN


ON = {"current": True, "pending": True}


def gpu0(*path: str, to: Any) -> Callable[[Probe], None]:
    """A change of one value of GPU 0."""
    return of_gpu(0, *path, to=to)


def gpu1(*path: str, to: Any) -> Callable[[Probe], None]:
    """The same of GPU 1."""
    return of_gpu(1, *path, to=to)


def of_gpu(index: int, *path: str, to: Any) -> Callable[[Probe], None]:
    def change(probe: Probe) -> None:
        *outer, last = path
        place = probe["gpus"][index]
        for key in outer:
            place = place[key]
        place[last] = to

    return change


def both(*changes: Callable[[Probe], None]) -> Callable[[Probe], None]:
    def change(probe: Probe) -> None:
        for each in changes:
            each(probe)

    return change


def unreadable(path: str, reason: str) -> Callable[[Probe], None]:
    def change(probe: Probe) -> None:
        gpu0(*path.split("."), to=None)(probe)
        probe["unavailable"][f"gpus[0].{path}"] = reason

    return change


def older_module(probe: Probe) -> None:
    probe["os"]["nvidia_module_version"] = "570.86.15"


def without(count: int) -> Callable[[Probe], None]:
    return lambda probe: probe["gpus"].__delitem__(slice(count))


def xid(code: int) -> Callable[[Probe], None]:
    one = {"pci_bus_id": "0000:17:00", "code": code, "text": ""}
    return lambda probe: probe["xids"].append(one)


def link_down(probe: Probe) -> None:
    probe["gpus"][0]["nvlinks"][3]["active"] = False


def link_missing(probe: Probe) -> None:
    del probe["gpus"][0]["nvlinks"][17]


FAULTS: dict[str, tuple[Callable[[Probe], None], str, Status, str]] = {
    "an upgraded driver that is not loaded": (older_module, "driver", CRITICAL, "570.86.15"),
    "a missing GPU": (without(1), "GPUs", CRITICAL, "1 of 2 GPUs are there"),
    "another GPU": (gpu0("name", to="NVIDIA L40S"), "GPUs", CRITICAL, "NVIDIA L40S, NVIDIA H200"),
    "a GPU nobody knows": (gpu0("name", to="Foo 1"), "GPUs", CRITICAL, "GPU 0 is Foo 1"),
    "a GPU of another size": (
        gpu0("memory", "total_bytes", to=80 << 30),
        "GPUs",
        CRITICAL,
        "81920 MiB, 143771 expected",
    ),
    "a link that is down": (link_down, "links", CRITICAL, "GPU 0: 1 of 18 links down (3)"),
    "a link that is not there": (link_missing, "links", CRITICAL, "17 of 18 links"),
    "x4 instead of x16": (gpu0("pcie", "width", to=4), "PCIe", CRITICAL, "x4 of x16"),
    "generation 3 while it works": (
        both(
            gpu0("pcie", "generation", to=3),
            gpu0("throttle_reasons", to=[]),
            gpu0("utilization_percent", to={"gpu": 97, "memory": 40}),
        ),
        "PCIe",
        CRITICAL,
        "generation 3 of 5 while it works",
    ),
    "a slow slot": (
        both(gpu0("pcie", "generation", to=3), gpu0("pcie", "max_generation", to=3)),
        "PCIe",
        WARN,
        "its slot does 3",
    ),
    "errors that were not corrected": (
        gpu0("ecc_errors", "uncorrected", "volatile", to=7),
        "memory errors",
        CRITICAL,
        "7 uncorrected",
    ),
    "rows to remap": (
        gpu0("remapped_rows", "pending", to=True),
        "memory errors",
        WARN,
        "rows wait to be remapped",
    ),
    "a row that cannot be remapped": (
        gpu0("remapped_rows", "failure", to=True),
        "memory errors",
        CRITICAL,
        "could not be remapped",
    ),
    "ECC that goes off": (gpu0("ecc_mode", "pending", to=False), "memory errors", WARN, "ECC goes"),
    "a GPU that is too hot": (
        gpu0("throttle_reasons", to=["hw_slowdown", "hw_thermal_slowdown"]),
        "throttling",
        CRITICAL,
        "hw thermal slowdown, 40 °C",
    ),
    "a GPU that the driver cools": (
        gpu0("throttle_reasons", to=["sw_thermal_slowdown"]),
        "throttling",
        WARN,
        "sw thermal slowdown",
    ),
    "MIG left on": (
        gpu0("mig_mode", to={"current": True, "pending": True}),
        "MIG",
        CRITICAL,
        "MIG is on",
    ),
    "MIG to come": (
        gpu0("mig_mode", to={"current": False, "pending": True}),
        "MIG",
        WARN,
        "at the next reset",
    ),
    "no persistence": (gpu0("persistence_mode", to=False), "persistence", WARN, "mode is off"),
    "a fabric that is not done": (
        gpu0("fabric", "state", to="in_progress"),
        "fabric",
        CRITICAL,
        "is not done yet",
    ),
    "a fabric that failed": (
        both(gpu0("fabric", "state", to="completed"), gpu0("fabric", "status", to=999)),
        "fabric",
        CRITICAL,
        "NVML code 999",
    ),
    "a GPU that fell off the bus": (
        xid(79),
        "Xid errors",
        CRITICAL,
        "0000:17:00: Xid 79 (the GPU has fallen off the bus)",
    ),
    "a program that failed": (xid(31), "Xid errors", WARN, "invalid memory access"),
    "a code nobody knows": (xid(999), "Xid errors", WARN, "Xid 999"),
    "a kernel log that cannot be read": (
        lambda probe: probe.update(xids=None),
        "Xid errors",
        UNKNOWN,
        "could not be read",
    ),
    "a value that cannot be read": (
        unreadable("persistence_mode", "NVMLError_Unknown: Unknown Error"),
        "persistence",
        UNKNOWN,
        "persistence_mode could not be read (NVMLError_Unknown",
    ),
}


@pytest.mark.parametrize(("break_", "check", "status", "text"), FAULTS.values(), ids=FAULTS)
def test_a_fault_is_found_by_exactly_the_right_check(
    break_: Callable[[Probe], None], check: str, status: Status, text: str
) -> None:
    probe = seen()
    break_(probe)
    found = results(probe)
    assert {name for name, result in found.items() if result.status is not OK} == {check}
    assert found[check].status is status
    assert text in found[check].evidence
    assert found[check].remedy


def test_every_check_has_a_row_in_the_documentation() -> None:
    text = (Path(__file__).parents[3] / "docs/checks.md").read_text()
    assert [name for name in results(seen()) if f"\n| {name} |" not in text] == []


@pytest.mark.parametrize("gpus", [2, 4, 8])
def test_a_healthy_server_gives_no_alarm(gpus: int) -> None:
    found = results(seen(gpus), planned(gpus))
    assert {result.status for result in found.values()} == {OK}
    of_the_probe = {check.name for check in checks_about(PlannedServer)} - {"quarantine"}
    assert found.keys() == of_the_probe
    assert all(result.evidence and not result.remedy for result in found.values())


def test_one_gpu_of_a_real_capture_gives_no_alarm() -> None:
    since = {
        "xids": [],
        "kernels": {"installed": [], "packages": [], "grub_default": ""},
    }  # asked since the capture
    found = results({**json.loads(CAPTURE.read_text()), **since}, planned(1, "none"))
    assert {result.status for result in found.values()} == {OK}


def test_what_a_card_does_not_have_is_no_fault() -> None:
    probe = seen()
    for path in ("ecc_mode", "remapped_rows", "mig_mode", "fabric"):
        unreadable(path, "NVMLError_NotSupported: Not Supported")(probe)
    assert {result.status for result in results(probe).values()} == {OK}


def test_pcie_that_idles_is_no_fault() -> None:
    probe = seen()
    gpu0("pcie", "generation", to=1)(probe)
    assert results(probe)["PCIe"].status is OK


def test_a_lost_gpu_is_said_by_one_check() -> None:
    probe = seen()
    lost(probe)
    found = results(probe)
    assert {name for name, result in found.items() if result.status is not OK} == {"GPUs"}
    assert "GPU 0 is lost (NVMLError_GpuIsLost" in found["GPUs"].evidence


def test_no_driver_is_one_row() -> None:
    reason = "NVMLError_LibraryNotFound: NVML Shared Library Not Found"
    probe = {"nvml": None, "gpus": [], "unavailable": {"nvml": reason}, "os": {}}
    (only,) = results(probe).values()
    assert (only.check, only.status, only.evidence) == ("driver", CRITICAL, reason)


@pytest.mark.parametrize(
    ("library", "module", "words"),
    [
        (
            "580.178.04",
            "580.159.04",
            "of different versions: library 580.178.04, loaded kernel module 580.159.04 "
            "(NVMLError_LibRmVersionMismatch: Driver/library version mismatch)",
        ),
        (None, "580.159.04", "library of a version that could not be read (LookupError: no"),
        ("580.178.04", None, "kernel module of a version that could not be read (OSError: no"),
    ],
)
def test_a_driver_that_is_not_of_its_library_s_version_asks_for_a_reboot(
    library: str | None, module: str | None, words: str
) -> None:
    probe = {
        "nvml": None,
        "gpus": [],
        "library_version": library,
        "os": {"nvidia_module_version": module},
        "unavailable": {
            "nvml": "NVMLError_LibRmVersionMismatch: Driver/library version mismatch",
            "library_version": "LookupError: no version",
            "os.nvidia_module_version": "OSError: no module",
        },
    }
    (only,) = results(probe).values()
    assert (only.check, only.status) == ("driver", CRITICAL)
    assert words in only.evidence
    assert only.remedy.startswith("reboot the host")


def test_two_versions_are_named_whatever_nvml_says_of_them() -> None:
    probe = {
        "nvml": None,
        "library_version": "580.178.04",
        "os": {"nvidia_module_version": "580.159.04"},
        "unavailable": {"nvml": "NVMLError_Unknown: Unknown Error"},
    }
    (only,) = results(probe).values()
    assert "library 580.178.04, loaded kernel module 580.159.04" in only.evidence
    assert only.remedy.startswith("reboot the host")


def test_what_was_not_observed_is_unknown() -> None:
    (only,) = results(None).values()
    assert (only.check, only.status) == ("driver", UNKNOWN)


def test_more_gpus_than_declared_is_a_warning() -> None:
    found = results(seen(4), planned(2))
    assert found["GPUs"].status is WARN
    assert "4 GPUs are there, 2 are declared" in found["GPUs"].evidence


def test_a_bridge_that_is_not_where_the_inventory_says() -> None:
    probe = seen(4)
    addresses = [gpu["pci_bus_id"] for gpu in probe["gpus"]]
    for index, peer in enumerate((1, 0, 3, 2)):
        probe["gpus"][index]["nvlinks"] = [link(n, addresses[peer]) for n in range(LINKS)]
    pairs = planned(4, "nvlink", islands=((0, 1), (2, 3)))
    crossed = planned(4, "nvlink", islands=((0, 2), (1, 3)))
    assert results(probe, pairs)["links"].status is OK
    wrong = results(probe, crossed)["links"]
    assert wrong.status is CRITICAL
    assert "no NVLink joins GPUs 0, 2" in wrong.evidence and "1, 3" in wrong.evidence


def part_of_a_board(down: tuple[int, ...]) -> Probe:
    """Two of four GPUs that a board joins directly: so many links of each lead to the others."""
    probe = seen(2)
    addresses = [gpu["pci_bus_id"] for gpu in probe["gpus"]]
    for index, count in enumerate(down):
        probe["gpus"][index]["nvlinks"] = [
            {**link(n, addresses[1 - index]), "active": n >= count} for n in range(LINKS)
        ]
    return probe


def test_links_to_gpus_that_another_machine_has_are_no_fault() -> None:
    whole = planned(2, "nvlink")
    row = results(part_of_a_board((12, 12)), whole)["links"]
    assert row.status is WARN
    assert "GPU 1: 12 of 18 links down, as on its peers: they may lead to GPUs" in row.evidence
    assert row.remedy.startswith("nothing, where another machine has the rest of the board")
    assert results(part_of_a_board((12, 13)), whole)["links"].status is CRITICAL
    bridge = planned(2, "nvlink", gpu=H100_NVL)
    row = results(part_of_a_board((6, 6)), bridge)["links"]
    assert row.status is CRITICAL and "6 of 18 links down" in row.evidence


H100_NVL = gpu_types()["h100-nvl-94gb"]
L40S = gpu_types()["l40s-48gb"]
RTX_4090 = gpu_types()["rtx-4090-24gb"]
SIZES: dict[str, tuple[GpuType, int, bool | None, bool | None, Status, str]] = {
    # A card, its MiB, whether its ECC is on, what of that is declared, and what is said.
    "as it comes": (L40S, 46068, True, None, OK, "2 x NVIDIA L40S"),
    "more memory, for ECC is off": (L40S, 49140, False, None, OK, "2 x NVIDIA L40S"),
    "more memory, as declared": (L40S, 49140, False, False, OK, "2 x NVIDIA L40S"),
    "less than declared": (
        L40S,
        46068,
        True,
        False,
        WARN,
        "GPU 0 has 46068 MiB with ECC on, 49139 were planned with",
    ),
    "more than ECC leaves": (L40S, 49140, True, True, CRITICAL, "49140 MiB, 46068 expected"),
    "less than without ECC": (
        L40S,
        46068,
        False,
        None,
        CRITICAL,
        "46068 MiB with ECC off, 49139 expected",
    ),
    "a card that comes without": (RTX_4090, 24564, False, None, OK, "2 x NVIDIA GeForce RTX 4090"),
    "a card that does not tell": (RTX_4090, 24564, None, None, OK, "2 x NVIDIA GeForce RTX 4090"),
    "ECC that was turned on": (
        RTX_4090,
        23028,
        True,
        None,
        WARN,
        "GPU 0 has 23028 MiB with ECC on, 24564 were planned with",
    ),
    "ECC that was turned on and is declared": (
        RTX_4090,
        23028,
        True,
        True,
        OK,
        "2 x NVIDIA GeForce RTX 4090",
    ),
    "another card of that name": (RTX_4090, 49140, False, None, CRITICAL, "24564 expected"),
    "HBM, whose size stays": (
        gpu_types()["h200-sxm-141gb"],
        143771,
        False,
        False,
        OK,
        "2 x NVIDIA H200",
    ),
}


@pytest.mark.parametrize(("kind", "mib", "ecc", "to", "status", "words"), SIZES.values(), ids=SIZES)
def test_the_memory_of_a_card_is_by_its_ecc(
    kind: GpuType, mib: int, ecc: bool | None, to: bool | None, status: Status, words: str
) -> None:
    probe = seen()
    for gpu in probe["gpus"]:
        gpu["name"], gpu["memory"]["total_bytes"] = kind.name, mib << 20
        gpu["ecc_mode"] = None if ecc is None else {"current": ecc, "pending": ecc}
    found = results(probe, planned(gpu=kind.with_ecc(to), **declared(ecc=to)))
    assert (found["GPUs"].status, bool(found["GPUs"].remedy)) == (status, status is not OK)
    assert words in found["GPUs"].evidence


AS_DECLARED: dict[str, tuple[dict[str, Any], Callable[[Probe], None], str, Status, str]] = {
    "a limit": ({"power_limit_w": 700}, lambda probe: None, "power limit", OK, "700 W"),
    "a limit that is higher": (
        {"power_limit_w": 600},
        lambda probe: None,
        "power limit",
        WARN,
        "GPU 0 may draw 700 W, 600 W is declared; GPU 1 may",
    ),
    "a limit that is not told": (
        {"power_limit_w": 600},
        unreadable("power.limit_w", "NVMLError_NotSupported: Not Supported"),
        "power limit",
        UNKNOWN,
        "GPU 0 does not tell its limit",
    ),
    "MIG": ({"mig": True}, gpu0("mig_mode", to=dict(ON)), "MIG", CRITICAL, "GPU 1: MIG is off"),
    "MIG that a card does not have": (
        {"mig": True},
        unreadable("mig_mode", "NVMLError_NotSupported: Not Supported"),
        "MIG",
        CRITICAL,
        "GPU 0: MIG is off, on is declared",
    ),
    "MIG that goes off": (
        {"mig": True},
        both(*(gpu("mig_mode", to={**ON, "pending": False}) for gpu in (gpu0, gpu1))),
        "MIG",
        WARN,
        "GPU 0: MIG goes off at the next reset, on is declared",
    ),
    "ECC": ({"ecc": True}, lambda probe: None, "memory errors", OK, "none uncorrected"),
    "ECC that is on": (
        {"ecc": False},
        lambda probe: None,
        "memory errors",
        WARN,
        "GPU 0: ECC is on, off is declared",
    ),
    "ECC that a card does not have": (
        {"ecc": True},
        unreadable("ecc_mode", "NVMLError_NotSupported: Not Supported"),
        "memory errors",
        WARN,
        "GPU 0 shows no ECC, on is declared",
    ),
}


@pytest.mark.parametrize(
    ("settings", "change", "check", "status", "words"), AS_DECLARED.values(), ids=AS_DECLARED
)
def test_what_is_declared_of_gpus_is_so(
    settings: dict[str, Any],
    change: Callable[[Probe], None],
    check: str,
    status: Status,
    words: str,
) -> None:
    probe = seen()
    change(probe)
    found = results(probe, planned(**declared(**settings)))
    assert (found[check].status, bool(found[check].remedy)) == (status, status is not OK)
    assert words in found[check].evidence
    assert {row.status for name, row in found.items() if name != check} == {OK}


UNIT = "rackwright-chat-gpu1-0.service"
OURS = {"pid": 7, "used_bytes": 5 << 30, "command": "vllm", "cgroups": [f"/system.slice/{UNIT}"]}
OTHER = {**OURS, "pid": 8, "command": "train.py", "cgroups": ["/user.slice"]}


@pytest.mark.parametrize(
    ("on_gpu0", "on_gpu1", "words"),
    [
        ([OURS], [OURS], ""),
        ([OURS, OTHER], [OURS], "GPU 0: process 8 (train.py) with 5.0 GiB is not of the plan"),
        ([OURS], [], f"GPU 1: no process of {UNIT} uses it"),
        ([OURS], [{**OTHER, "command": None, "used_bytes": None}], "GPU 1: process 8 is not of"),
    ],
)
def test_who_is_on_the_planned_gpus(on_gpu0: list[Probe], on_gpu1: list[Probe], words: str) -> None:
    probe = seen(3)
    probe["gpus"][2]["processes"] = [OTHER]  # nothing is planned there
    probe["gpus"][0]["processes"], probe["gpus"][1]["processes"] = on_gpu0, on_gpu1
    tenants = (Tenant(0, UNIT, 5 << 30), Tenant(1, UNIT, 5 << 30))
    found = results(probe, planned(3, tenants=tenants))
    assert found["processes"].status is (CRITICAL if words else OK)
    assert words in found["processes"].evidence
    assert {each.status for name, each in found.items() if name != "processes"} == {OK}


def test_an_engine_without_gpus_is_not_missed() -> None:
    server = planned(tenants=(Tenant(0, UNIT, 5 << 30),), engines_use_gpus=False)
    found = results(seen(), server)
    assert found["processes"].status is OK
    assert found["GPU memory"].status is OK
    assert "engines without GPUs" in found["GPU memory"].evidence


MEMORY_FAULTS: dict[str, tuple[dict[str, Any], Callable[[Probe], None] | None, Status, str]] = {
    "as planned": ({}, None, OK, "as planned"),
    "a little more": ({"used_bytes": 125 << 30}, None, OK, "as planned"),
    "more than planned": (
        {"used_bytes": 130 << 30},
        None,
        WARN,
        f"GPU 0: {UNIT} has 130.0 GiB, 120.0 GiB planned: a risk to run out",
    ),
    "a part that is missing": (
        {"used_bytes": 60 << 30},
        None,
        WARN,
        f"GPU 0: {UNIT} has 60.0 GiB, 120.0 GiB planned",
    ),
    "what the driver does not tell": ({"used_bytes": None}, None, UNKNOWN, "does not tell"),
    "nothing left": (
        {},
        gpu0("memory", "free_bytes", to=100 << 20),
        CRITICAL,
        "GPU 0: 0.1 GiB free, 20.4 GiB planned: about to run out",
    ),
}


@pytest.mark.parametrize(
    ("process", "change", "status", "words"), MEMORY_FAULTS.values(), ids=MEMORY_FAULTS
)
def test_the_memory_of_the_planned_processes(
    process: dict[str, Any], change: Callable[[Probe], None] | None, status: Status, words: str
) -> None:
    probe = seen()
    probe["gpus"][0]["processes"] = [{**OURS, "used_bytes": 120 << 30, **process}]
    if change:
        change(probe)
    found = results(probe, planned(tenants=(Tenant(0, UNIT, 120 << 30),)))
    assert (found["GPU memory"].status, bool(found["GPU memory"].remedy)) == (
        status,
        status is not OK,
    )
    assert words in found["GPU memory"].evidence
    assert {each.status for name, each in found.items() if name != "GPU memory"} == {OK}


def test_processes_of_one_unit_count_together() -> None:
    probe = seen()
    half = {**OURS, "used_bytes": 60 << 30}
    probe["gpus"][0]["processes"] = [half, {**half, "pid": 9}]
    found = results(probe, planned(tenants=(Tenant(0, UNIT, 120 << 30),)))
    assert found["GPU memory"].status is OK


def test_a_stage_of_a_pipeline_may_hold_less_than_the_fullest() -> None:
    probe = seen()
    probe["gpus"][0]["processes"] = [{**OURS, "used_bytes": 60 << 30}]
    found = results(probe, planned(tenants=(Tenant(0, UNIT, 120 << 30, even=False),)))
    assert found["GPU memory"].status is OK


def test_kernels_may_take_the_margin_that_the_plan_left_them() -> None:
    probe = seen()
    probe["gpus"][0]["processes"] = [{**OURS, "used_bytes": 11 << 30}]
    tenant = Tenant(0, UNIT, 10 << 30, margin_bytes=1 << 30)
    assert results(probe, planned(tenants=(tenant,)))["GPU memory"].status is OK
    strict = tenant._replace(margin_bytes=0)
    assert results(probe, planned(tenants=(strict,)))["GPU memory"].status is WARN


def test_memory_that_the_plan_itself_leaves_not_free_is_no_alarm() -> None:
    probe = seen()
    probe["gpus"][0]["processes"] = [{**OURS, "used_bytes": 140 << 30}]
    gpu0("memory", "free_bytes", to=100 << 20)(probe)
    total = probe["gpus"][0]["memory"]["total_bytes"]
    found = results(probe, planned(tenants=(Tenant(0, UNIT, total - (100 << 20)),)))
    assert found["GPU memory"].status is OK


@pytest.mark.parametrize(
    ("pin", "status"),
    [(None, OK), ("580.159.04", OK), ("580", OK), ("580.15", CRITICAL), ("575", CRITICAL)],
)
def test_the_driver_is_the_pinned_one(pin: str | None, status: Status) -> None:
    found = results(seen(), planned(driver_version=pin))
    assert found["driver"].status is status
    assert ("pinned" in found["driver"].evidence) == (status is CRITICAL)


def test_nvlink_that_is_not_declared_is_a_warning() -> None:
    found = results(seen(), planned(interconnect="pcie"))
    assert found["links"].status is WARN
    assert "NVLink joins GPUs 0, 1, pcie is declared" in found["links"].evidence

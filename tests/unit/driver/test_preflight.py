"""Every prediction provoked, in its own words; and nothing said of a server that is fine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from rackwright.catalog import gpu_types
from rackwright.checks.results import CheckResult, Status
from rackwright.driver.facts import Facts, Unknown
from rackwright.driver.offers import Offers
from rackwright.driver.plan import Unsupported, decide
from rackwright.driver.preflight import PREDICTIONS, Situation, predict
from tests.samples.driver import (
    GPU,
    SWITCH,
    installed,
    loaded,
    of_age,
    offered,
    planned,
    seen,
    server,
    settings,
)

NVIDIA = "https://developer.download.nvidia.com/compute/cuda/repos/debian12/x86_64"
PAIR = server("l40s-48gb", 2, "pcie")
HGX = server("h100-sxm-80gb", 8, "nvswitch")
HGX_B200 = server("b200-sxm-180gb", 8, "nvswitch")
GUEST = HGX.model_copy(update={"fabric_manager": "host"})
USER = {"pid": 4711, "command": "python train.py", "cgroups": ["/user.slice"]}
REPLICA = {"pid": 405, "command": "vllm", "cgroups": ["/system.slice/rackwright-chat.service"]}
DAEMON = {"pid": 7, "command": "pd", "cgroups": ["/system.slice/nvidia-persistenced.service"]}
SHA1 = f"W: OpenPGP signature verification failed: {NVIDIA}  InRelease: EB69 is not bound"
UNRESOLVED = f"E: Failed to fetch {NVIDIA}/InRelease  Could not resolve host"


def situation(
    release: str = "debian12",
    spec: Any = PAIR,
    gpu: Any = None,
    offers: dict[str, Any] | None = None,
    facts: dict[str, Any] | None = None,
    **changed: Any,
) -> Situation:
    """A server with what is planned for it; the archives offer all of that unless said."""
    observed = Facts(seen(release, **(facts or {})))
    group = settings(**changed)
    at = Situation(
        settings=group,
        server=spec,
        gpu=gpu or gpu_types()[spec.gpus.type],
        facts=observed,
        our_units=frozenset(["rackwright-chat.service"]),
        engines=frozenset(["vllm"]),
        month="2026-11",
    )
    if group.driver_source == "none":
        return at
    try:
        plan = decide(group, spec, at.gpu, observed)
    except (Unknown, Unsupported) as error:
        return replace(at, undecided=error)
    return replace(
        at, plan=plan, interrupts=True, offers=Offers({**offered(plan), **(offers or {})})
    )


def said(at: Situation) -> dict[str, CheckResult]:
    """The rows that are not OK, by prediction."""
    return {row.check: row for row in predict(at) if row.status is not Status.OK}


def also(text: str) -> dict[str, Any]:
    """One more source file on Debian 12."""
    file = {"path": "/etc/apt/sources.list.d/cuda.list", "text": text}
    return {"sources": [*seen("debian12")["sources"], file]}


Case = tuple[Callable[[], Situation], str, Status, str]
CASES: dict[str, Case] = {
    "another distribution": (
        lambda: situation(facts={"os": {"id": "fedora", "version_id": "44"}}),
        "distribution",
        Status.CRITICAL,
        "no driver packages are known for fedora 44 on x86_64",
    ),
    "Secure Boot on Debian": (
        lambda: situation(facts={"os": {"secure_boot": True}}),
        "secure-boot",
        Status.CRITICAL,
        "Secure Boot is on, and the module would be built on the host (DKMS): the kernel would "
        "refuse to load it",
    ),
    "headers that nobody has": (
        lambda: situation(offers={"versions": {}}),
        "kernel-headers",
        Status.CRITICAL,
        "the headers of the running kernel are not there, and no archive of the host has "
        "linux-headers-6.1.0-41-amd64",
    ),
    "a kernel from the future": (
        lambda: situation(facts={"os": {"kernel": "7.2.1-amd64"}}),
        "kernel-version",
        Status.CRITICAL,
        "driver 580.159.04 is known to build on Linux 7.1 and older, the host runs 7.2.1-amd64",
    ),
    "a runfile": (
        lambda: situation(facts={"runfile": ["/usr/bin/nvidia-uninstall"]}),
        "other-driver",
        Status.CRITICAL,
        "NVIDIA's own installer (.run) has put a driver here: /usr/bin/nvidia-uninstall",
    ),
    "packages of Debian": (
        lambda: situation(
            facts={
                "packages": installed(
                    "nvidia-smi",
                    version="535.261.03-1",
                    origin="http://deb.example/debian bookworm/non-free",
                )
            }
        ),
        "other-driver",
        Status.CRITICAL,
        "driver packages of another archive are installed: nvidia-smi "
        "(http://deb.example/debian bookworm/non-free)",
    ),
    "packages of nobody": (
        lambda: situation(
            facts={"packages": installed("libcuda1", version="570.1.1-1", origin="")}
        ),
        "other-driver",
        Status.CRITICAL,
        "driver packages of another archive are installed: libcuda1 (no archive of the host has "
        "it)",
    ),
    "packages of NVIDIA where Canonical's are planned": (
        lambda: situation(
            "ubuntu2404",
            facts={
                "os": {"secure_boot": True},
                "packages": installed(
                    "libnvidia-compute-580", version="580.159.04-1ubuntu1", origin=f"{NVIDIA} "
                ),
            },
        ),
        "other-driver",
        Status.CRITICAL,
        f"driver packages of another archive are installed: libnvidia-compute-580 ({NVIDIA} )",
    ),
    "open modules for Volta": (
        lambda: situation(gpu=of_age(7, 0), driver_modules="open", vllm_build="cpu"),
        "gpu-generation",
        Status.CRITICAL,
        "NVIDIA Old is too old for open kernel modules",
    ),
    "a branch after Volta": (
        lambda: situation(gpu=of_age(7, 0), driver_version="595.71.05", vllm_build="cpu"),
        "gpu-generation",
        Status.CRITICAL,
        "branch 595 does not drive NVIDIA Old any more",
    ),
    "proprietary modules for Blackwell": (
        lambda: situation(spec=server("b200-sxm-180gb", 1), driver_modules="proprietary"),
        "gpu-generation",
        Status.CRITICAL,
        "NVIDIA B200 runs with open kernel modules only",
    ),
    "CUDA 13 for Volta": (
        lambda: situation(gpu=of_age(7, 0), cuda_toolkit=("13.0",), vllm_build="cpu"),
        "cuda",
        Status.CRITICAL,
        "CUDA 13.0 does not compile for NVIDIA Old any more",
    ),
    "CUDA 13 with an old driver": (
        lambda: situation(driver_version="570.211.01", cuda_toolkit=("13.0",), vllm_build="cpu"),
        "cuda",
        Status.CRITICAL,
        "CUDA 13.0 needs a driver of branch 580 or newer, not 570.211.01",
    ),
    "an engine for newer drivers": (
        lambda: situation(driver_version="570.211.01"),
        "engine",
        Status.CRITICAL,
        "vllm 0.32.0 is built with CUDA 13, which needs a driver of branch 580 or newer, not "
        "570.211.01",
    ),
    "an engine for newer drivers than the provider's": (
        lambda: situation(driver_source="none", facts=loaded("550.90.07")),
        "engine",
        Status.CRITICAL,
        "vllm 0.32.0 is built with CUDA 13, which needs a driver of branch 580 or newer, not "
        "550.90.07",
    ),
    "an engine for newer GPUs": (
        lambda: situation(gpu=of_age(7, 0)),
        "engine",
        Status.CRITICAL,
        "vllm 0.32.0 is built with CUDA 13, which does not know NVIDIA Old",
    ),
    "somebody's processes": (
        lambda: situation(
            reboot="if-needed", facts={**loaded("580.126.20"), "users": [USER, REPLICA, DAEMON]}
        ),
        "module-in-use",
        Status.CRITICAL,
        "processes use the GPUs: 4711 (python train.py)",
    ),
    "our processes without leave": (
        lambda: situation(facts={**loaded("580.126.20"), "users": [REPLICA, DAEMON]}),
        "module-in-use",
        Status.CRITICAL,
        "processes use the GPUs: 405 (vllm)",
    ),
    "an IOMMU that translates": (
        lambda: situation(facts={"os": {"iommu": ["DMA-FQ", "identity"]}}),
        "peer-to-peer",
        Status.WARN,
        "the IOMMU translates DMA (DMA-FQ): GPUs that talk over PCIe are known to hang with it",
    ),
    "access control": (
        lambda: situation(facts={"pci": [{**GPU, "acs_redirects": ["0000:16:01.0"]}]}),
        "peer-to-peer",
        Status.WARN,
        "PCIe access control (ACS) sends traffic between GPUs up to the CPU at 0000:16:01.0",
    ),
    "a small /boot": (
        lambda: situation(facts={"free_bytes": {"/boot": 10**8, "/usr": 10**11, "/var": 10**11}}),
        "space",
        Status.CRITICAL,
        "/boot has 0.1 GiB free, 0.2 GiB are needed",
    ),
    "a small /var": (
        lambda: situation(facts={"free_bytes": {"/boot": 10**10, "/usr": 10**10, "/var": 10**9}}),
        "space",
        Status.CRITICAL,
        "/var has 0.9 GiB free, 3.0 GiB are needed",
    ),
    "a small /usr for a toolkit": (
        lambda: situation(
            cuda_toolkit=("13.0",),
            facts={"free_bytes": {"/boot": 10**10, "/usr": 10**10, "/var": 10**10}},
        ),
        "space",
        Status.CRITICAL,
        "/usr has 9.3 GiB free, 10.0 GiB are needed",
    ),
    "the same repository from cuda-keyring": (
        lambda: situation(facts=also(f"deb [signed-by=/k.gpg] {NVIDIA}/ /\n")),
        "other-sources",
        Status.CRITICAL,
        f"/etc/apt/sources.list.d/cuda.list names {NVIDIA} as well: apt refuses one repository "
        "with two keys",
    ),
    "NVIDIA's repository beside Debian's driver": (
        lambda: situation(
            driver_source="debian",
            driver_version="535.261.03",
            vllm_build="cpu",
            facts=also(f"deb {NVIDIA}/ /\n"),
        ),
        "other-sources",
        Status.CRITICAL,
        "/etc/apt/sources.list.d/cuda.list names another repository of NVIDIA's: apt would mix its "
        "driver with the planned one",
    ),
    "a switch that is not there": (
        lambda: situation(spec=HGX),
        "nvswitch",
        Status.CRITICAL,
        "the inventory declares nvswitch, and no NVSwitch is on the PCI bus: fabric manager would "
        "fail",
    ),
    "a switch that is not declared": (
        lambda: situation(facts={"pci": [GPU, SWITCH]}),
        "nvswitch",
        Status.CRITICAL,
        "there is an NVSwitch (0000:07:00.0), and the inventory declares pcie: without fabric "
        "manager CUDA fails with error 802",
    ),
    "a switch that a guest has itself": (
        lambda: situation(spec=GUEST, facts={"pci": [GPU, SWITCH]}),
        "nvswitch",
        Status.CRITICAL,
        "there is an NVSwitch (0000:07:00.0), and the inventory declares the fabric manager of its "
        "host: without fabric manager CUDA fails with error 802",
    ),
    "NVLink 5 without NVIDIA's repository": (
        lambda: situation("ubuntu2404", HGX_B200, facts={"os": {"secure_boot": True}}),
        "nvswitch",
        Status.CRITICAL,
        "nvlsm for NVLink 5 is needed, and only NVIDIA's repository has it",
    ),
    "a switch with Debian's driver": (
        lambda: situation(
            spec=HGX,
            driver_source="debian",
            driver_version="535.309.01",
            vllm_build="cpu",
            facts={"pci": [GPU, SWITCH]},
        ),
        "nvswitch",
        Status.CRITICAL,
        "fabric manager is needed, and only NVIDIA's repository has it",
    ),
    "no GPU": (
        lambda: situation(facts={"pci": []}),
        "gpu-present",
        Status.WARN,
        "no NVIDIA GPU is on the PCI bus",
    ),
    "an old branch": (
        lambda: situation(driver_version="570.211.01", vllm_build="cpu"),
        "support",
        Status.WARN,
        "NVIDIA's support of branch 570 ended in 2026-02",
    ),
    "another key": (
        lambda: situation(offers={"update": SHA1, "versions": {}}),
        "repository",
        Status.CRITICAL,
        f"apt refuses the signature of {NVIDIA}/: {SHA1}",
    ),
    "no network": (
        lambda: situation(offers={"update": UNRESOLVED, "versions": {}}),
        "repository",
        Status.CRITICAL,
        f"{NVIDIA}/ could not be read: {UNRESOLVED}",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_trouble_is_predicted_in_a_sentence_with_a_remedy(name: str) -> None:
    make, prediction, status, sentence = CASES[name]
    row = said(make())[prediction]
    assert (row.status, row.evidence) == (status, sentence)
    assert row.remedy


def test_every_prediction_is_provoked() -> None:
    assert {case[1] for case in CASES.values()} == set(PREDICTIONS)


@pytest.mark.parametrize("release", ["ubuntu2204", "ubuntu2404", "debian12", "debian13"])
def test_a_bare_server_that_is_fine_has_nothing_to_hear(release: str) -> None:
    assert said(situation(release)) == {}


def test_a_server_whose_provider_has_a_driver_is_only_judged_by_it() -> None:
    facts = {**loaded("580.126.20"), "runfile": ["/usr/bin/nvidia-uninstall"], "users": [USER]}
    assert said(situation(driver_source="none", facts=facts)) == {}


def test_a_version_that_the_repository_lacks_is_named_with_what_it_has() -> None:
    at = situation()
    assert at.offers
    versions = {**at.offers.seen["versions"], "nvidia-driver-cuda": [["595.71.05-1", "https://x "]]}
    del versions["nvidia-driver-pinning-580.159.04"]
    row = said(replace(at, offers=Offers({**at.offers.seen, "versions": versions})))["repository"]
    assert row.evidence == (
        f"{NVIDIA}/ has no nvidia-driver-pinning-580.159.04, nvidia-driver-cuda 580.159.04 "
        "(but 595.71.05); it has pins for 580.126.20"
    )
    assert "580 on Debian 13" in row.remedy


def test_what_is_installed_already_needs_no_prediction() -> None:
    facts = {
        **loaded("580.159.04"),
        "users": [USER],
        "free_bytes": {},
        "packages": installed("libcuda1", version="580.159.04-1", origin=""),
    }
    facts["os"] = {**facts["os"], "kernel": "7.2.1-amd64", "secure_boot": True}
    assert said(replace(situation(facts=facts), offers=None, interrupts=False)) == {}


def test_an_accepted_prediction_only_warns() -> None:
    at = situation(
        facts={"os": {"kernel": "7.2.1-amd64"}}, driver_accept=("kernel-version", "kernel-headers")
    )
    row = said(at)["kernel-version"]
    assert row.status is Status.WARN and row.evidence.endswith("(accepted)")


def test_our_own_processes_go_down_where_a_reboot_is_allowed() -> None:
    facts = {**loaded("580.126.20"), "users": [REPLICA, DAEMON]}
    assert "module-in-use" not in said(situation(reboot="if-needed", facts=facts))


def test_packages_of_the_planned_archive_are_no_strangers() -> None:
    ours = installed("nvidia-driver-cuda", version="580.126.20-1", origin=f"{NVIDIA}/ ")
    tools = installed("nvidia-container-toolkit", version="1.19.1-1", origin="https://elsewhere ")
    assert said(situation(facts={"packages": [*ours, *tools]})) == {}


def test_a_mirror_that_moved_makes_its_old_packages_no_strangers() -> None:
    there = [
        {"path": f"/etc/apt/sources.list.d/{name}", "text": text}
        for name, text in planned("debian12").added.items()
    ]
    gone = installed("nvidia-driver-cuda", version="580.95.05-1", origin="")
    old = installed("nvidia-persistenced", version="580.126.20-1", origin=f"{NVIDIA}/ ")
    facts = {"sources": [*seen("debian12")["sources"], *there], "packages": [*gone, *old]}
    moved = {"driver_repository": "http://mirror.example/{distribution}/{architecture}/"}
    assert "other-driver" not in said(situation(facts=facts, **moved))


def test_a_host_that_does_not_tell_what_it_is_is_unknown() -> None:
    row = said(situation(facts={"os": {"id": None}}))["distribution"]
    assert row.status is Status.UNKNOWN and row.evidence.startswith("os.id was not observed")


FACTS = {
    "secure-boot": ("os.secure_boot", "yes"),
    "kernel-headers": ("headers", 1),
    "kernel-version": ("os.kernel", 6),
    "other-driver": ("packages", [{"name": "nvidia-smi"}]),
    "module-in-use": ("os.nvidia_module_version", 580),
    "peer-to-peer": ("os.iommu", "DMA"),
    "space": ("free_bytes", {"/boot": "much", "/var": None}),
    "nvswitch": ("pci", [{"address": "0000:17:00.0"}]),
}


@pytest.mark.parametrize("garbled", [True, False])
@pytest.mark.parametrize("prediction", FACTS)
def test_a_fact_that_is_missing_or_garbled_is_unknown(prediction: str, garbled: bool) -> None:
    at = situation()
    path, nonsense = FACTS[prediction]
    observed = dict(at.facts.seen)
    observed["unavailable"] = {path: "PermissionError: no"}
    value = nonsense if garbled else None
    if path.startswith("os."):
        observed["os"] = {**observed["os"], path.partition(".")[2]: value}
    else:
        observed[path] = value
    row = said(replace(at, facts=Facts(observed)))[prediction]
    assert row.status is Status.UNKNOWN
    assert ("is garbled" in row.evidence) if garbled else ("not observed" in row.evidence)


@pytest.mark.parametrize(
    "reply",
    [{}, {"update": "", "versions": 3}, {"update": "", "versions": {}}, {"update": 1}],
)
def test_a_garbled_offer_is_unknown(reply: dict[str, Any]) -> None:
    assert said(replace(situation(), offers=Offers(reply)))["repository"].status is Status.UNKNOWN


def test_a_complaint_about_another_archive_is_not_about_ours() -> None:
    other = "W: GPG error: https://other.example InRelease: NO_PUBKEY 1234"
    assert said(situation(offers={"update": other})) == {}


def test_a_distribution_that_lacks_the_pinned_version_says_which_it_has() -> None:
    at = situation("debian13", driver_source="debian", driver_version="550.54.14", vllm_build="cpu")
    assert at.offers
    versions = {**at.offers.seen["versions"], "libcuda1": [["550.163.01-2", "http://x "]]}
    row = said(replace(at, offers=Offers({**at.offers.seen, "versions": versions})))["repository"]
    assert row.evidence == "none of the host's archives has libcuda1 550.54.14 (but 550.163.01)"


def test_a_guest_beside_an_nvswitch_that_is_not_on_its_bus_is_fine() -> None:
    assert "nvswitch" not in said(situation(spec=GUEST))


def test_every_type_of_a_mixed_server_must_be_driven() -> None:
    """No module drives a Volta beside a Blackwell: each wants its own."""
    gpus = gpu_types()
    at = situation(driver_modules="proprietary", vllm_build="cpu")
    assert "gpu-generation" not in said(at)
    row = said(replace(at, others=(gpus["rtx-5090-32gb"],)))["gpu-generation"]
    assert row.status is Status.CRITICAL
    assert "RTX 5090 runs with open kernel modules only" in row.evidence

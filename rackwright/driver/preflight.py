"""What would go wrong, said before anything is changed: one function a prediction.

A new prediction is a function and a line in ``PREDICTIONS``. It yields a sentence and a remedy for
each trouble it sees; a fact that is missing makes it UNKNOWN. Operators may accept one by name
(``driver_accept``), which turns it into a warning.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rackwright.catalog import GpuType
from rackwright.catalog.drivers import drivers, numbers
from rackwright.checks.results import CheckResult, Status
from rackwright.desired.items import Package, upstream_version
from rackwright.driver import packages, sources
from rackwright.driver.facts import CODENAMES, Facts, Process, Unknown
from rackwright.driver.plan import DriverPlan, source_of
from rackwright.settings import Settings
from rackwright.spec import ServerSpec

GIB = 1024**3
BOOT_BYTES = GIB // 4
VAR_BYTES = 3 * GIB
TOOLKIT_BYTES = 8 * GIB
"""Room for one more boot image with the modules in it; packages and a DKMS build; a toolkit."""
DAEMONS = frozenset(
    ("nvidia-persistenced.service", "nvidia-fabricmanager.service", "nvidia-dcgm.service")
)
REFUSED_KEY = (
    "NO_PUBKEY",
    "not bound",
    "BADSIG",
    "EXPKEYSIG",
    "REVKEYSIG",
    "is not signed",
    "couldn't be verified",
    "verification failed",
    "invalid signature",
)
UNREACHED = ("Failed to fetch", "Could not", "does not have a Release file", "Unable to connect")


@dataclass(frozen=True)
class Trouble:
    """What would go wrong, and what to do about it."""

    sentence: str
    remedy: str
    status: Status = Status.CRITICAL


@dataclass(frozen=True)
class Situation:
    """A server, what is planned for it, and what is known of it.

    ``plan`` is None where none could be made (``undecided`` says why) and where the provider
    manages the driver; ``offered`` is the reply to ``look``, None where it was not needed;
    ``our_units`` are those of the planned replicas.
    """

    settings: Settings
    server: ServerSpec
    gpu: GpuType
    facts: Facts
    plan: DriverPlan | None = None
    undecided: str = ""
    offered: Mapping[str, Any] | None = None
    our_units: frozenset[str] = field(default=frozenset())

    @property
    def version(self) -> str | None:
        """The driver that will run: the planned one, or what is loaded where that stays."""
        return self.facts.module_version if self.provided else self.settings.driver_version

    @property
    def provided(self) -> bool:
        """Whether the server's provider manages the driver."""
        return self.settings.driver_source == "none"


Prediction = Callable[[Situation], Iterator[Trouble]]


def distribution(at: Situation) -> Iterator[Trouble]:
    """Packages are known for the host's release and architecture."""
    if at.undecided:
        remedy = (
            "supported: Ubuntu 22.04 and 24.04, Debian 12 and 13, on x86_64 and arm64; elsewhere "
            "install the driver yourself and set driver_source to none"
        )
        yield Trouble(at.undecided, remedy)


def secure_boot(at: Situation) -> Iterator[Trouble]:
    """A module built on the host is signed by no key the firmware knows."""
    if at.plan and at.plan.builds and at.facts.secure_boot:
        ubuntu = at.plan.distribution.startswith("ubuntu")
        signed = "set driver_source to ubuntu (Canonical's signed modules), or " if ubuntu else ""
        yield Trouble(
            "Secure Boot is on, and the module would be built on the host (DKMS): the kernel would "
            "refuse to load it",
            f"{signed}turn Secure Boot off in the firmware, or enrol DKMS's key at the console "
            "(`mokutil --import`) and accept this prediction",
        )


def kernel_headers(at: Situation) -> Iterator[Trouble]:
    """The module is built against the running kernel's headers."""
    if not at.plan or not at.plan.builds or at.facts.headers or at.offered is None:
        return
    name = packages.headers(at.facts.kernel)
    if not _versions(at.offered, name):
        yield Trouble(
            f"the headers of the running kernel are not there, and no archive of the host has "
            f"{name}",
            "update the kernel and reboot into it (`apt-get dist-upgrade`), then run this again; "
            "for a kernel of your own, install its headers",
        )


def kernel_version(at: Situation) -> Iterator[Trouble]:
    """A driver is older than the kernels that come after it."""
    if not at.plan or not at.plan.builds:
        return
    newest = at.plan.branch.newest_kernel(at.plan.version)
    if newest is None:
        return
    if numbers(at.facts.kernel)[:2] > numbers(newest)[:2]:
        yield Trouble(
            f"driver {at.plan.version} is known to build on Linux {newest} and older, the host "
            f"runs {at.facts.kernel}",
            "pin a newer driver_version, or boot an older kernel",
        )


def other_driver(at: Situation) -> Iterator[Trouble]:
    """Two archives, or an archive and NVIDIA's own installer, overwrite each other's files."""
    if not at.plan:
        return
    if at.facts.runfile:
        yield Trouble(
            f"NVIDIA's own installer (.run) has put a driver here: {', '.join(at.facts.runfile)}",
            "remove it with `nvidia-uninstall`, reboot, and run this again",
        )
    foreign = [f"{name} {why}" for name, why in _foreign(at.plan, at.facts)]
    if foreign:
        shown = ", ".join(foreign[:4]) + (f" and {len(foreign) - 4} more" if foreign[4:] else "")
        yield Trouble(
            f"driver packages of another archive are installed: {shown}",
            "remove them (`apt-get purge`), reboot, and run this again; or set driver_source to "
            "the archive they came from, or to none",
        )


def _foreign(plan: DriverPlan, facts: Facts) -> Iterator[tuple[str, str]]:
    """Installed packages of a driver that the planned archive does not have in that version."""
    ours = f"{sources.FOLDER}/{sources.NVIDIA_FILE}" in facts.sources
    urls = [plan.repository.rstrip("/")] if plan.repository else []
    written = {p: t for p, t in facts.sources.items() if p.endswith(sources.NVIDIA_FILE)}
    for source in sources.read(written):
        urls += [uri.rstrip("/") for uri in source.uris]
    for name, package in sorted(facts.packages.items()):
        if not _is_driver(name, package.version):
            continue
        origins = package.origins
        if not origins and not ours:
            yield name, "(no archive of the host has it)"
        elif origins and not any(_belongs(origin, plan, urls) for origin in origins):
            yield name, f"({origins[0]})"


def _is_driver(name: str, version: str) -> bool:
    """Not the toolkits, container tools and keyrings that share the names."""
    major = numbers(upstream_version(version))[:1]
    parts = (
        "nvidia-",
        "libnvidia-",
        "libcuda1",
        "xserver-xorg-video-nvidia",
        "linux-modules-nvidia",
    )
    named = name.startswith(parts) and "container" not in name
    return named and (name.startswith("linux-modules") or bool(major and major[0] >= 300))


def _belongs(origin: str, plan: DriverPlan, urls: Sequence[str]) -> bool:
    """Whether an origin, ``URI suite/component``, is the planned archive."""
    uri, _, suite = origin.partition(" ")
    if urls:
        return uri.rstrip("/") in urls
    return suite.startswith(CODENAMES[plan.distribution]) and "launchpad" not in uri


def gpu_generation(at: Situation) -> Iterator[Trouble]:
    """Open modules need a Turing GPU or newer; nothing else drives Blackwell."""
    if not at.plan:
        return
    capability, table = at.gpu.compute_capability, drivers().open_modules
    if capability < at.plan.branch.minimum_capability:
        yield Trouble(
            f"branch {at.plan.branch.number} does not drive {at.gpu.name} any more",
            "pin a driver_version of branch 580",
        )
    elif at.plan.modules == "open" and capability < table.minimum_capability:
        yield Trouble(
            f"{at.gpu.name} is too old for open kernel modules",
            "set driver_modules to auto or proprietary, with a branch that has them (580)",
        )
    elif at.plan.modules == "proprietary" and capability >= table.required_from:
        yield Trouble(
            f"{at.gpu.name} runs with open kernel modules only", "set driver_modules to auto"
        )


def cuda(at: Situation) -> Iterator[Trouble]:
    """The pinned CUDA toolkits compile for the GPU, and the driver is new enough for them."""
    for each in at.settings.cuda_toolkit:
        needs = drivers().cuda[numbers(each)[0]]
        if at.gpu.compute_capability < needs.minimum_capability:
            yield Trouble(
                f"CUDA {each} does not compile for {at.gpu.name} any more",
                "set cuda_toolkit to a version of CUDA 12",
            )
        if at.version and numbers(at.version)[0] < needs.minimum_branch:
            yield Trouble(
                f"CUDA {each} needs a driver of branch {needs.minimum_branch} or newer, not "
                f"{at.version}",
                f"pin a driver_version of branch {needs.minimum_branch} or newer",
            )


def engine(at: Situation) -> Iterator[Trouble]:
    """The pinned engine is built with a CUDA that the driver must support."""
    if at.settings.vllm_build != "cuda" or at.version is None:
        return
    major = drivers().cuda_of("vllm", at.settings.vllm_version)
    if major is None:
        return
    needs = drivers().cuda[major]
    if numbers(at.version)[0] < needs.minimum_branch:
        yield Trouble(
            f"vLLM {at.settings.vllm_version} is built with CUDA {major}, which needs a driver of "
            f"branch {needs.minimum_branch} or newer, not {at.version}",
            "ask the provider for a newer driver" if at.provided else "pin a newer driver_version",
        )
    if at.gpu.compute_capability < needs.minimum_capability:
        yield Trouble(
            f"vLLM {at.settings.vllm_version} is built with CUDA {major}, which knows no "
            f"{at.gpu.name}",
            "pin an older engine that is built with CUDA 12",
        )


def module_in_use(at: Situation) -> Iterator[Trouble]:
    """A driver that is replaced under a running process breaks the next one that starts."""
    if not at.plan or at.facts.module_version is None:
        return
    allowed = at.settings.reboot == "if-needed"
    others = [p for p in at.facts.users if not _goes_down(p, at.our_units if allowed else None)]
    if others:
        shown = ", ".join(f"{p.pid} ({p.command[:40]})" for p in others[:4])
        more = f" and {len(others) - 4} more" if others[4:] else ""
        yield Trouble(
            f"processes use the GPUs: {shown}{more}",
            "stop them; planned replicas are stopped and started by the run itself where reboot "
            "is if-needed",
        )


def _goes_down(process: Process, our_units: frozenset[str] | None) -> bool:
    return bool(process.units & (DAEMONS | (our_units or frozenset())))


def peer_to_peer(at: Situation) -> Iterator[Trouble]:
    """Settings that are known to hang or slow GPUs that talk over PCIe."""
    if at.server.gpus.count < 2 or at.server.interconnect != "pcie":
        return
    translated = [mode for mode in at.facts.iommu if mode.startswith("DMA")]
    if translated:
        yield Trouble(
            f"the IOMMU translates DMA ({', '.join(translated)}): GPUs that talk over PCIe are "
            "known to hang with it",
            "boot with iommu=pt, or turn it off in the firmware",
            Status.WARN,
        )
    if bridges := at.facts.acs_redirects:
        yield Trouble(
            f"PCIe access control (ACS) sends traffic between GPUs up to the CPU at "
            f"{', '.join(bridges)}",
            "turn ACS off in the firmware, or for these bridges at boot (setpci)",
            Status.WARN,
        )


def space(at: Situation) -> Iterator[Trouble]:
    """Boot images, packages and the build of the module need room."""
    if not at.plan:
        return
    toolkits = len(at.settings.cuda_toolkit)
    for place, needed in (("/boot", BOOT_BYTES), ("/var", VAR_BYTES + toolkits * TOOLKIT_BYTES)):
        free = at.facts.free_bytes(place)
        if free < needed:
            yield Trouble(
                f"{place} has {free / GIB:.1f} GiB free, {needed / GIB:.1f} GiB are needed",
                "remove old kernels (`apt-get autoremove --purge`)"
                if place == "/boot"
                else "make room (`apt-get clean`, logs, old images)",
            )


def nvswitch(at: Situation) -> Iterator[Trouble]:
    """Fabric manager is needed where there is an NVSwitch, and fails where there is none."""
    if not at.plan:
        return
    declared, seen = at.plan.fabric, at.facts.nvswitches
    on_bus = not at.gpu.nvlink or at.gpu.nvlink.generation < 5
    if declared and on_bus and not seen:
        yield Trouble(
            "the inventory declares nvswitch, and no NVSwitch is on the PCI bus: fabric manager "
            "would fail",
            "correct interconnect in the inventory; in a virtual machine the host runs it",
        )
    if seen and not declared:
        yield Trouble(
            f"there is an NVSwitch ({seen[0]}), and the inventory declares "
            f"{at.server.interconnect}: without fabric manager CUDA fails with error 802",
            "set interconnect to nvswitch",
        )
    if declared and not on_bus and at.plan.archive in ("ubuntu", "debian"):
        yield Trouble(
            "NVLink 5 needs nvlsm and libnvsdm, which only NVIDIA's repository has",
            "set driver_source to nvidia",
        )


def gpu_present(at: Situation) -> Iterator[Trouble]:
    """A driver without a GPU is of no use, and loads no module."""
    if at.plan and not at.facts.gpus:
        yield Trouble(
            "no NVIDIA GPU is on the PCI bus",
            "see the server's power, slots and firmware; `lspci -d 10de:` shows what there is",
            Status.WARN,
        )


def support(at: Situation) -> Iterator[Trouble]:
    """A branch that has ended gets no fixes."""
    until = at.plan.branch.supported_until if at.plan else None
    if at.plan and until and until < SUPPORT_NOW:
        yield Trouble(
            f"NVIDIA's support of branch {at.plan.branch.number} ended in {until}",
            "pin a newer driver_version when you can",
            Status.WARN,
        )


SUPPORT_NOW = "2026-11"
"""The month that ``drivers.yaml`` was last gone through."""


def repository(at: Situation) -> Iterator[Trouble]:
    """The archive is signed by the pinned key, can be reached, and has the pinned version."""
    if not at.plan or at.offered is None:
        return
    words = str(at.offered.get("update") or "")
    where = at.plan.repository or "an archive of the host"
    if at.plan.repository and any(sign in words for sign in REFUSED_KEY):
        yield Trouble(
            f"apt refuses the signature of {where}: {_lines_of(words, REFUSED_KEY)}",
            "signature checking is never weakened here: if NVIDIA has a new key, put it into a "
            "file of the project and set driver_repository_key (docs/driver.md); for a mirror, "
            "give the key that signs it",
        )
        return
    missing = [p for p in at.plan.packages if not _offers(at.offered, p)]
    missing = [p for p in missing if not p.key.startswith("linux-headers-")]
    if missing and any(sign in words for sign in UNREACHED):
        yield Trouble(
            f"{where} could not be read: {_lines_of(words, UNREACHED)}",
            "check the network and driver_repository",
        )
    elif missing:
        names = ", ".join(_named(p, at.offered) for p in missing)
        has = [name.removeprefix(packages.PIN) for name in at.offered["family"]]
        versions = [name for name in has if "." in name]
        known = f"; it pins {', '.join(versions[-8:])}" if versions else ""
        yield Trouble(
            f"{where} has no {names}{known}",
            "set driver_version to one it has; where the whole branch is missing (580 on Debian "
            "13), take another branch or driver_repository a mirror that has it",
        )


def _offers(offered: Mapping[str, Any], package: Package) -> bool:
    versions = _versions(offered, package.key)
    if package.version is None:
        return bool(versions)
    return any(upstream_version(version) == package.version for version in versions)


def _versions(offered: Mapping[str, Any], name: str) -> list[str]:
    try:
        return [str(version) for version, _ in offered["versions"].get(name, [])]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise Unknown(f"what the archives offer is garbled: {error!r}") from None


def _named(package: Package, offered: Mapping[str, Any]) -> str:
    version = f" {package.version}" if package.version else ""
    instead = [upstream_version(each) for each in _versions(offered, package.key)]
    return f"{package.key}{version}" + (f" (but {', '.join(instead[:4])})" if instead else "")


def _lines_of(words: str, signs: Sequence[str]) -> str:
    found = [line for line in words.splitlines() if any(sign in line for sign in signs)]
    return " ".join(found[:2])[:400]


PREDICTIONS: dict[str, Prediction] = {
    "distribution": distribution,
    "secure-boot": secure_boot,
    "kernel-headers": kernel_headers,
    "kernel-version": kernel_version,
    "other-driver": other_driver,
    "gpu-generation": gpu_generation,
    "cuda": cuda,
    "engine": engine,
    "module-in-use": module_in_use,
    "peer-to-peer": peer_to_peer,
    "space": space,
    "nvswitch": nvswitch,
    "gpu-present": gpu_present,
    "support": support,
    "repository": repository,
}
"""By the name that reports show and ``driver_accept`` takes."""


def predict(at: Situation) -> list[CheckResult]:
    """Every prediction about one server, at once; one row for each that has nothing to say."""
    return [row for name, ask in PREDICTIONS.items() for row in _rows(name, ask, at)]


def _rows(name: str, ask: Prediction, at: Situation) -> Iterator[CheckResult]:
    host = at.server.name
    accepted = name in at.settings.driver_accept
    try:
        troubles = list(ask(at))
    except Unknown as unknown:
        remedy = "see that the host answers as root, and run this again"
        troubles = [Trouble(str(unknown), remedy, Status.UNKNOWN)]
    for trouble in troubles:
        status = Status.WARN if accepted else trouble.status
        words = f"{trouble.sentence} (accepted)" if accepted else trouble.sentence
        yield CheckResult(name, host, host, status, words, trouble.remedy)
    if not troubles:
        yield CheckResult(name, host, host, Status.OK, "")


__all__ = ["PREDICTIONS", "Situation", "Trouble", "predict", "source_of"]

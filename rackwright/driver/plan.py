"""What a server's driver is to be, as values: settings, hardware and facts to ordered stages."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from rackwright.catalog import GpuType
from rackwright.catalog.drivers import Branch, drivers
from rackwright.desired.items import (
    Absent,
    File,
    Initramfs,
    Item,
    Package,
    Unit,
    upstream_version,
)
from rackwright.desired.paths import PROJECT
from rackwright.desired.render import render
from rackwright.driver import packages, sources
from rackwright.driver.branches import branch_of, modules_of
from rackwright.driver.facts import CODENAMES, Facts
from rackwright.errors import HostError
from rackwright.spec import ServerSpec, Settings

SETTINGS_UNIT = "rackwright-gpu-settings.service"
FABRIC_UNIT = "nvidia-fabricmanager.service"
DEBIAN_ARCHITECTURES = {"x86_64": "amd64", "sbsa": "arm64"}
DRIVER_VERSION = re.compile(r"[0-9]{3}\.[0-9]{2,3}(\.[0-9]{2})?")
UNATTENDED = ("nvidia-", "libnvidia-", "cuda-", "libcuda", "firmware-nvidia-", "linux-image-",
              "linux-headers-", "linux-modules-")  # fmt: skip
"""What unattended-upgrades must leave: the driver, and kernels, which would come without it."""


class Unsupported(HostError):
    """No driver can be planned for the host; the message says why."""


@dataclass(frozen=True)
class Stage:
    """Items that are made so together; every package of them is in one apt transaction."""

    name: str
    items: tuple[Item, ...]


@dataclass(frozen=True)
class DriverPlan:
    """The driver of one server. ``stages`` go before a reboot, ``units`` after it.

    ``archive`` is nvidia-debian, nvidia-ubuntu, ubuntu or debian; ``added`` are the source files
    that are written, name to text; ``repository`` is NVIDIA's or its mirror, or empty.
    """

    archive: str
    version: str
    branch: Branch
    modules: str
    distribution: str
    repository: str
    added: Mapping[str, str]
    fabric: bool
    stages: tuple[Stage, ...]
    units: tuple[Unit, ...]

    @property
    def items(self) -> tuple[Item, ...]:
        """All that must be so before the kernel module is looked at."""
        return tuple(item for stage in self.stages for item in stage.items)

    @property
    def packages(self) -> tuple[Package, ...]:
        """The packages, in their order."""
        return tuple(item for item in self.items if isinstance(item, Package))

    @property
    def builds(self) -> bool:
        """Whether the kernel module is built on the host (DKMS)."""
        return self.archive != "ubuntu"


def oldest(gpus: Iterable[GpuType]) -> GpuType:
    """The GPU that decides about the kernel modules, which are one for all of a server."""
    return min(gpus, key=lambda gpu: gpu.compute_capability)


def source_of(settings: Settings, facts: Facts) -> str:
    """Whose packages: as set; else NVIDIA's, or Canonical's where Ubuntu has Secure Boot on."""
    if settings.driver_source != "auto":
        return settings.driver_source
    ubuntu = (facts.distribution or "").startswith("ubuntu")
    return "ubuntu" if ubuntu and facts.secure_boot else "nvidia"


def decide(
    settings: Settings,
    server: ServerSpec,
    gpu: GpuType,
    facts: Facts,
    others: Sequence[GpuType] = (),
) -> DriverPlan:
    """The plan of a server's driver, ``others`` being its further types of GPUs.

    ``settings.driver_source`` must not be none.

    Raises Unknown where a fact is missing, Unsupported where no packages are known.
    """
    distribution, architecture = facts.distribution, facts.architecture
    branch = branch_of(settings.driver_version)
    if distribution is None or architecture is None or branch is None:
        raise Unsupported(f"no driver packages are known for {facts.release} on {facts.machine}")
    archive = _archive(source_of(settings, facts), distribution)
    gpus = (gpu, *others)
    modules = modules_of(settings, oldest(gpus), branch)
    url, added = _archives(settings, archive, distribution, architecture, facts)
    fabric = server.runs_fabric_manager
    nvlink = max(each.nvlink.generation if each.nvlink else 0 for each in gpus)
    boot = _boot_files(nvlink if fabric else 0)
    unit = _settings_unit(server, fabric)
    groups: tuple[tuple[str, tuple[Item, ...]], ...] = (
        ("archive", (*_archive_files(archive, added, settings), _unattended())),
        ("kernel headers", tuple(_build(settings, archive, facts))),
        ("pin", tuple(_pin(archive, settings.driver_version))),
        ("driver", tuple(_driver(settings, archive, branch, modules, facts))),
        ("fabric", tuple(_fabric(settings, archive, branch, nvlink) if fabric else ())),
        ("toolkit", tuple(Package(packages.toolkit(each)) for each in settings.cuda_toolkit)),
        ("boot", (*boot, Initramfs("nouveau", boot[:1]), unit)),
    )
    return DriverPlan(
        archive=archive,
        version=settings.driver_version,
        branch=branch,
        modules=modules,
        distribution=distribution,
        repository=url,
        added=added,
        fabric=fabric,
        stages=tuple(Stage(name, items) for name, items in groups if items),
        units=(Unit(SETTINGS_UNIT, restart_on=(unit,)), *([Unit(FABRIC_UNIT)] if fabric else [])),
    )


def _archive(source: str, distribution: str) -> str:
    kind = distribution.rstrip("0123456789")
    if source == "nvidia":
        return f"nvidia-{kind}"
    if source != kind:
        raise Unsupported(f"driver_source is {source}, and the host runs {distribution}")
    return source


def _archives(
    settings: Settings, archive: str, distribution: str, architecture: str, facts: Facts
) -> tuple[str, dict[str, str]]:
    """The URL of NVIDIA's repository or "", and the source files that have to be there."""
    url, added = "", {}
    if archive.startswith("nvidia"):
        places = {"distribution": distribution, "architecture": architecture}
        url = settings.driver_repository.format(**places)
        key = settings.driver_repository_key
        text = (
            (PROJECT / key).read_text()
            if key
            else sources.key_of(drivers().repositories[distribution])
        )
        added[sources.NVIDIA_FILE] = sources.nvidia(url, DEBIAN_ARCHITECTURES[architecture], text)
    if distribution.startswith("debian"):
        wanted = frozenset(("contrib",) if url else ("contrib", "non-free", "non-free-firmware"))
        ours = f"{sources.FOLDER}/{sources.DEBIAN_FILE}"
        texts = {path: text for path, text in facts.sources.items() if path != ours}
        if more := sources.more_of_debian(texts, CODENAMES[distribution], wanted):
            added[sources.DEBIAN_FILE] = more
    return url, added


def _archive_files(archive: str, added: Mapping[str, str], settings: Settings) -> Iterator[Item]:
    """Source files and pin of this archive; those that another one had are taken away."""
    wanted = {f"{sources.FOLDER}/{name}": text for name, text in added.items()}
    if not archive.startswith("nvidia"):
        wanted[sources.PIN_FILE] = sources.pin(settings.driver_version)
    for path in sources.OURS:
        if path in wanted:
            yield File(path, wanted[path].encode())
        else:
            yield Absent(path, mark=sources.MARK)


def _unattended() -> File:
    lines = "".join(f'    "{prefix}";\n' for prefix in UNATTENDED)
    text = f"Unattended-Upgrade::Package-Blacklist {{\n{lines}}};\n"
    return File("/etc/apt/apt.conf.d/52rackwright-driver", text.encode())


def _build(settings: Settings, archive: str, facts: Facts) -> Iterator[Package]:
    """What modules are built with; no headers where the operator has accepted their absence."""
    if archive == "ubuntu":
        return
    yield from map(Package, packages.COMPILER)
    if "kernel-headers" not in settings.driver_accept:
        if not facts.headers:
            yield Package(packages.headers(facts.kernel))
        yield from map(Package, _headers_to_come(facts))


def _headers_to_come(facts: Facts) -> Iterator[str]:
    """Of the kernel that boots next, and what brings those of the kernels after it."""
    boots = facts.kernels.next_boot(facts.kernel)
    if boots and not boots.headers and boots.release != facts.kernel:
        yield packages.headers(boots.release)
    yield from facts.kernels.headers_left_out


def _pin(archive: str, version: str) -> Iterator[Package]:
    """In a transaction of its own: apt knows a pin only once its package is there."""
    if archive.startswith("nvidia"):
        yield Package(packages.pinning(version))


def _driver(
    settings: Settings, archive: str, branch: Branch, modules: str, facts: Facts
) -> Iterator[Package]:
    wanted = packages.driver(archive, branch, modules, facts.kernel)
    yield from _pinned(wanted, settings.driver_version)
    for name in _companions(wanted.exact, settings.driver_version, branch, facts):
        yield Package(name, version=settings.driver_version)


def _pinned(wanted: packages.Wanted, version: str) -> Iterator[Package]:
    for name in wanted.exact:
        yield Package(name, version=version, hold=True)
    for name in wanted.others:
        yield Package(name, hold=True)


def _companions(
    named: tuple[str, ...], version: str, branch: Branch, facts: Facts
) -> Iterator[str]:
    """Installed packages of the version that is to be replaced, so that none is left behind.

    Dependencies only say "at least", so a way back to an older version would keep the newer ones.
    """
    installed = {name: upstream_version(p.version) for name, p in facts.packages.items()}
    replaced = {installed[name] for name in named if name in installed} - {version}
    for name, its in sorted(installed.items()):
        other = name.startswith(packages.PINNING) or packages.of_another_branch(name, branch)
        if its in replaced and DRIVER_VERSION.fullmatch(its) and name not in named and not other:
            yield name


def _fabric(settings: Settings, archive: str, branch: Branch, nvlink: int) -> Iterator[Package]:
    yield from _pinned(packages.fabric(archive, branch, nvlink), settings.driver_version)


def _boot_files(nvlink: int) -> tuple[File, ...]:
    """nouveau kept away, the modules loaded at boot; NVLink 5's subnet manager needs two more."""
    nouveau = b"blacklist nouveau\noptions nouveau modeset=0\n"
    modules = ("nvidia", "nvidia_uvm", *(("ib_umad", "mlx5_ib") if nvlink >= 5 else ()))
    return (
        File("/etc/modprobe.d/rackwright-nouveau.conf", nouveau),
        File(
            "/etc/modules-load.d/rackwright-nvidia.conf",
            "".join(f"{m}\n" for m in modules).encode(),
        ),
    )


def _settings_unit(server: ServerSpec, fabric: bool) -> File:
    groups = (server.gpus, *server.other_gpus)
    values = {"groups": groups, "fabric_unit": FABRIC_UNIT if fabric else ""}
    content = render("gpu-settings.service.j2", values)
    return File(f"/etc/systemd/system/{SETTINGS_UNIT}", content)

"""What was observed of a host, read strictly: what is missing or garbled is said, never guessed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rackwright.checks.server.kernels import Kernels
from rackwright.errors import HostError

DISTRIBUTIONS = {
    ("ubuntu", "22.04"): "ubuntu2204",
    ("ubuntu", "24.04"): "ubuntu2404",
    ("debian", "12"): "debian12",
    ("debian", "13"): "debian13",
}
"""What NVIDIA's repository calls the releases that are supported here."""
CODENAMES = {
    "ubuntu2204": "jammy",
    "ubuntu2404": "noble",
    "debian12": "bookworm",
    "debian13": "trixie",
}
ARCHITECTURES = {"x86_64": "x86_64", "aarch64": "sbsa"}
"""What NVIDIA's repository calls the kernel's architectures; arm64 servers are ``sbsa``."""
NVSWITCH_CLASS = "0680"
GPU_CLASSES = ("0300", "0302")


class Unknown(HostError):
    """A fact that a decision needs was not observed; the message says which, and why."""


@dataclass(frozen=True)
class InstalledPackage:
    """A package of the driver or of CUDA on the host; ``origins`` are where apt can get it."""

    name: str
    version: str
    status: str
    held: bool
    origins: tuple[str, ...]


@dataclass(frozen=True)
class Process:
    """A process that has an NVIDIA device open; ``units`` are its control groups' names."""

    pid: int
    command: str
    units: frozenset[str]


@dataclass(frozen=True)
class Facts:
    """The reply of ``remote/driver.py`` to ``observe``. Every property may raise Unknown."""

    seen: Mapping[str, Any]

    def _read(self, path: str, kind: type | tuple[type, ...]) -> Any:
        """The value at ``path`` (dots go deeper), which must be of that kind."""
        value: Any = self.seen
        for key in path.split("."):
            value = value.get(key) if isinstance(value, Mapping) else None
        if isinstance(value, kind) and not (isinstance(value, bool) and bool not in _kinds(kind)):
            return value
        if value is None:
            raise Unknown(f"{path} was not observed ({self._why(path)})")
        raise Unknown(f"{path} is garbled: {value!r}"[:200])

    def _why(self, path: str) -> str:
        reasons = self.seen.get("unavailable")
        reason = reasons.get(path) if isinstance(reasons, Mapping) else None
        return str(reason or "the host's answer lacks it")

    @property
    def release(self) -> str:
        """As its makers write it: ``debian 12``."""
        return f"{self._read('os.id', str)} {self._read('os.version_id', str)}"

    @property
    def distribution(self) -> str | None:
        """As NVIDIA's repository calls it; None for one that is not supported."""
        return DISTRIBUTIONS.get((self._read("os.id", str), self._read("os.version_id", str)))

    @property
    def machine(self) -> str:
        """The kernel's name of the architecture: ``x86_64``."""
        return str(self._read("os.architecture", str))

    @property
    def architecture(self) -> str | None:
        """As NVIDIA's repository calls it; None for one that is not supported."""
        return ARCHITECTURES.get(self.machine)

    @property
    def kernel(self) -> str:
        """The running kernel's release."""
        return str(self._read("os.kernel", str))

    @property
    def secure_boot(self) -> bool:
        """Whether the firmware lets only signed code run."""
        return bool(self._read("os.secure_boot", bool))

    @property
    def iommu(self) -> tuple[str, ...]:
        """How DMA is translated; empty without an IOMMU."""
        return tuple(map(str, self._read("os.iommu", list)))

    @property
    def module_version(self) -> str | None:
        """Of the loaded kernel module; None where none is loaded."""
        try:
            return str(self._read("os.nvidia_module_version", str))
        except Unknown:
            if "FileNotFoundError" in self._why("os.nvidia_module_version"):
                return None  # sysfs has no such module
            raise

    @property
    def on_disk(self) -> str:
        """Version of the module that the running kernel would load; empty for none."""
        return str(self._read("on_disk", str))

    @property
    def kernels(self) -> Kernels:
        """The kernels that may boot next, and their packages."""
        try:
            return Kernels.of(self._read("kernels", dict))
        except (KeyError, TypeError, ValueError) as error:
            raise Unknown(f"kernels is garbled: {error!r}") from None

    @property
    def open_module(self) -> bool | None:
        """Whether the loaded module is the open one; None where none is loaded."""
        if self.module_version is None:
            return None
        return bool(self._read("open", bool))

    @property
    def nouveau(self) -> bool:
        """Whether the kernel's own driver is loaded."""
        return bool(self._read("nouveau", bool))

    @property
    def headers(self) -> bool:
        """Whether the running kernel's headers are there."""
        return bool(self._read("headers", bool))

    @property
    def boot_id(self) -> str:
        """Changes with every boot."""
        return str(self._read("boot_id", str))

    @property
    def runfile(self) -> tuple[str, ...]:
        """What NVIDIA's own installer left, as paths."""
        return tuple(map(str, self._read("runfile", list)))

    def free_bytes(self, place: str) -> int:
        """Free space of ``/boot`` or ``/var``."""
        return int(self._read(f"free_bytes.{place}", int))

    @property
    def gpus(self) -> tuple[str, ...]:
        """PCI addresses of NVIDIA's GPUs."""
        return tuple(address for address, kind, _ in self._pci if kind in GPU_CLASSES)

    @property
    def nvswitches(self) -> tuple[str, ...]:
        """PCI addresses of NVSwitches; those of NVLink 5 are not on the bus as such."""
        return tuple(address for address, kind, _ in self._pci if kind == NVSWITCH_CLASS)

    @property
    def acs_redirects(self) -> tuple[str, ...]:
        """Bridges above GPUs that send traffic between them up to the CPU."""
        found = [bridges for _, kind, bridges in self._pci if kind in GPU_CLASSES]
        if any(bridges is None for bridges in found):
            raise Unknown("pci: access control (ACS) could not be read: ask as root")
        return tuple(sorted({bridge for bridges in found for bridge in bridges or ()}))

    @property
    def _pci(self) -> list[tuple[str, str, list[str] | None]]:
        try:
            devices = self._read("pci", list)
            return [(str(d["address"]), str(d["class"]), d["acs_redirects"]) for d in devices]
        except (KeyError, TypeError) as error:
            raise Unknown(f"pci is garbled: {error!r}") from None

    @property
    def packages(self) -> dict[str, InstalledPackage]:
        """Packages of the driver and of CUDA, by name."""
        try:
            return {
                one["name"]: InstalledPackage(
                    name=one["name"],
                    version=str(one["version"]),
                    status=str(one["status"]),
                    held=bool(one["held"]),
                    origins=tuple(one["origins"]),
                )
                for one in self._read("packages", list)
            }
        except (KeyError, TypeError) as error:
            raise Unknown(f"packages is garbled: {error!r}") from None

    @property
    def sources(self) -> dict[str, str]:
        """apt's source files, path to text."""
        try:
            return {str(one["path"]): str(one["text"]) for one in self._read("sources", list)}
        except (KeyError, TypeError) as error:
            raise Unknown(f"sources is garbled: {error!r}") from None

    @property
    def users(self) -> tuple[Process, ...]:
        """Processes that have an NVIDIA device open."""
        try:
            return tuple(
                Process(
                    pid=int(one["pid"]),
                    command=str(one["command"] or "?"),
                    units=frozenset(p for group in one["cgroups"] for p in group.split("/")),
                )
                for one in self._read("users", list)
            )
        except (KeyError, TypeError, ValueError) as error:
            raise Unknown(f"users is garbled: {error!r}") from None


def _kinds(kind: type | tuple[type, ...]) -> tuple[type, ...]:
    return kind if isinstance(kind, tuple) else (kind,)

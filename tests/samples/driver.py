"""A bare server as ``remote/driver.py`` sees it, with one thing changed at a time."""

from __future__ import annotations

from typing import Any

from rackwright.catalog import GpuType, gpu_types
from rackwright.driver.facts import Facts
from rackwright.driver.plan import DriverPlan, decide
from rackwright.spec import ServerSpec, Settings
from tests.samples import fleet

OFFERED_PINS = ["nvidia-driver-pinning-580", "nvidia-driver-pinning-580.126.20"]
NO_MODULE = "FileNotFoundError: [Errno 2] No such file or directory"
DEBIAN = """Types: deb
URIs: http://deb.example/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://deb.example/debian-security
Suites: bookworm-security
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
"""
RELEASES: dict[str, tuple[dict[str, Any], str, str]] = {
    "ubuntu2204": ({"id": "ubuntu", "version_id": "22.04"}, "6.8.0-87-generic", ""),
    "ubuntu2404": ({"id": "ubuntu", "version_id": "24.04"}, "6.8.0-87-generic", ""),
    "debian12": ({"id": "debian", "version_id": "12"}, "6.1.0-41-amd64", DEBIAN),
    "debian13": (
        {"id": "debian", "version_id": "13"},
        "6.12.57+deb13-amd64",
        DEBIAN.replace("bookworm", "trixie"),
    ),
}
GPU = {"address": "0000:17:00.0", "class": "0302", "acs_redirects": []}
SWITCH = {"address": "0000:07:00.0", "class": "0680", "acs_redirects": []}


def seen(release: str = "debian12", **changed: Any) -> dict[str, Any]:
    """The observation of a bare server; ``os`` is merged, other keys are replaced."""
    system, kernel, sources = RELEASES[release]
    path = "/etc/apt/sources.list.d/debian.sources"
    observed: dict[str, Any] = {
        "os": {
            **system,
            "kernel": kernel,
            "architecture": "x86_64",
            "secure_boot": False,
            "iommu": [],
            "nvidia_module_version": None,
            **changed.pop("os", {}),
        },
        "pci": [GPU],
        "headers": False,
        "on_disk": "",
        "kernels": {"installed": [], "packages": [], "grub_default": ""},
        "open": None,
        "nouveau": False,
        "users": [],
        "packages": [],
        "sources": [{"path": path, "text": sources}] if sources else [],
        "runfile": [],
        "free_bytes": {"/boot": 10**10, "/usr": 10**11, "/var": 10**11},
        "boot_id": "1",
        "unavailable": {"os.nvidia_module_version": NO_MODULE},
    }
    return {**observed, **changed}


def loaded(version: str, *, is_open: bool = True) -> dict[str, Any]:
    """What changes in an observation where a module is loaded."""
    return {"os": {"nvidia_module_version": version}, "open": is_open}


def installed(*names: str, version: str, origin: str, held: bool = True) -> list[dict[str, Any]]:
    """Packages as they are observed."""
    return [
        {
            "name": name,
            "version": version,
            "status": "installed",
            "held": held,
            "origins": [origin] if origin else [],
        }
        for name in names
    ]


def settings(**changed: Any) -> Settings:
    """Group data with the driver's settings changed."""
    pinned = {"vllm_version": "0.32.0", "driver_version": "580.159.04"}
    locks = {"vllm_requirements": "lock.txt", "uv_requirements": "uv.txt"}
    return fleet.settings(**{**pinned, **locks, **changed})


def server(gpu: str = "l40s-48gb", count: int = 2, interconnect: str = "none", **gpus: Any) -> Any:
    """A server with GPUs of one type."""
    return ServerSpec.model_validate(
        {
            "name": "gpu1",
            "address": "192.0.2.11",
            "gpus": {"type": gpu, "count": count, **gpus},
            "interconnect": interconnect,
        }
    )


def of_age(major: int, minor: int) -> GpuType:
    """A GPU of that compute capability, for generations that the catalog has none of."""
    l4 = gpu_types()["l4-24gb"]
    return l4.model_copy(update={"compute_capability": (major, minor), "name": "NVIDIA Old"})


def planned(
    release: str,
    spec: ServerSpec | None = None,
    gpu: GpuType | None = None,
    facts: dict[str, Any] | None = None,
    **changed: Any,
) -> DriverPlan:
    """The plan for a bare server of that release."""
    spec = spec or server()
    observed = Facts(seen(release, **(facts or {})))
    return decide(settings(**changed), spec, gpu or gpu_types()[spec.gpus.type], observed)


def offered(plan: DriverPlan, **changed: Any) -> dict[str, Any]:
    """A reply to ``look`` in which the archives have all that is planned."""
    versions = {
        package.key: [[f"{package.version or '1.0'}-1", "https://repo.example "]]
        for package in plan.packages
    }
    return {"update": "", "versions": versions, "family": OFFERED_PINS, **changed}

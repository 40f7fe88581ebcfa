"""What apt has to fetch for a server's NVIDIA driver, as it is decided for that server."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from rackwright.bundling.system import System
from rackwright.driver import sources
from rackwright.driver.facts import Facts
from rackwright.driver.plan import DriverPlan, decide
from rackwright.errors import HostError
from rackwright.spec import FleetSpec

OF_ARCHIVE = "driver"


@dataclass(frozen=True)
class DriverFiles:
    """Packages, as apt is asked for them; source files to read besides; and what is preferred."""

    names: tuple[str, ...]
    sources: Mapping[str, str]
    preferences: str


def driver_files(name: str, spec: FleetSpec, system: System) -> DriverFiles:
    """Of a server whose driver is ours. Raises HostError where nothing can be decided."""
    if system.driver is None:
        raise HostError(f"{name}: its driver cannot be decided: it was not asked for its hardware")
    server, settings = spec.servers[name], spec.settings[name].model_copy(update={"bundle": None})
    gpu, *others = spec.types_of(server)
    try:
        plan = decide(settings, server, gpu, Facts(system.driver), others)
    except HostError as error:
        raise HostError(f"{name}: {error}") from None
    return DriverFiles(
        names=tuple(_asked(plan)),
        sources={f"{sources.FOLDER}/{file}": text for file, text in plan.added.items()},
        preferences=sources.pin(plan.version),
    )


def _asked(plan: DriverPlan) -> Iterator[str]:
    for package in plan.packages:
        yield f"{package.key}={package.version}-*" if package.version else package.key

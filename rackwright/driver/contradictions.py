"""Settings of the driver that cannot be meant: unknown versions, or two that exclude each other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rackwright.catalog import GpuType
from rackwright.catalog.drivers import Branch, drivers, numbers
from rackwright.driver.branches import branch_of, modules_of
from rackwright.driver.engines import cuda_majors
from rackwright.errors import Fault, gathered, nearest

if TYPE_CHECKING:
    from rackwright.spec import FleetSpec, ServerSpec, ServiceSpec, Settings


def check(fleet: FleetSpec) -> Iterator[Fault]:
    """Every fault of the driver's settings, said once for all servers that share it."""
    found = []
    for name, server in fleet.servers.items():
        settings = fleet.settings.get(name)
        for kind in server.kinds:
            gpu = fleet.gpu_types.get(kind.gpus.type)
            if settings and gpu:
                engines = {service.engine for service in _served(server, kind, fleet)}
                found += [(name, fault) for fault in _of_hardware(settings, gpu, engines)]
    yield from gathered(found)
    for server in fleet.servers.values():
        yield from _mig(server, fleet)


def _served(server: ServerSpec, kind: ServerSpec, fleet: FleetSpec) -> Iterator[ServiceSpec]:
    """The services on these GPUs of the server."""
    for service in fleet.services.values():
        if server.name in service.servers:
            own = server.kinds_of((service.gpus or {}).get(server.name))
            if any(one.gpus == kind.gpus for one in own):
                yield service


def _mig(server: ServerSpec, fleet: FleetSpec) -> Iterator[Fault]:
    for place, kind in enumerate(server.kinds):
        serving = [service.name for service in _served(server, kind, fleet)]
        if kind.gpus.mig and serving:
            key = f"other_gpus[{place - 1}]" if place else "gpus"
            rule = f"must be left out: services[{serving[0]}] needs whole GPUs"
            yield Fault(f"servers[{server.name}].{key}.mig", rule, True)


def _of_hardware(settings: Settings, gpu: GpuType, engines: set[str]) -> Iterator[Fault]:
    yield from _predictions(settings.driver_accept)
    for version in settings.cuda_toolkit:
        if version not in drivers().toolkits:
            yield _fault("cuda_toolkit", nearest(version, drivers().toolkits, "version"), version)
    if settings.driver_source == "none":
        if settings.cuda_toolkit:
            rule = "must be empty where driver_source is none: the provider's, like the driver"
            yield _fault("cuda_toolkit", rule, settings.cuda_toolkit)
        return
    branch = branch_of(settings.driver_version)
    if branch is None:
        known = ", ".join(map(str, sorted(drivers().branches)))
        rule = f"must be of a branch that is known: {known}"
        yield _fault("driver_version", rule, settings.driver_version)
        return
    yield from _archive(settings, branch)
    yield from _modules(settings, gpu, branch)
    yield from _cuda(settings, gpu, branch, engines)


def _predictions(accepted: Sequence[str]) -> Iterator[Fault]:
    if not accepted:
        return
    from rackwright.driver.preflight import PREDICTIONS  # all that is judged of a host, rarely used

    for name in accepted:
        if name not in PREDICTIONS:
            yield _fault("driver_accept", nearest(name, PREDICTIONS, "prediction"), name)


def _fault(key: str, rule: str, value: object) -> Fault:
    return Fault(f"settings.{key}", rule, value)


def _archive(settings: Settings, branch: Branch) -> Iterator[Fault]:
    source = settings.driver_source
    if source in ("ubuntu", "debian") and settings.cuda_toolkit:
        rule = f"must be empty where driver_source is {source}: only NVIDIA's repository has it"
        yield _fault("cuda_toolkit", rule, settings.cuda_toolkit)
    if source != "auto" and not any(each.startswith(source) for each in branch.archives):
        has = [
            n
            for n, b in drivers().branches.items()
            if any(a.startswith(source) for a in b.archives)
        ]
        rule = f"must be of a branch that {source} carries: {', '.join(map(str, sorted(has)))}"
        yield _fault("driver_version", rule, settings.driver_version)


def _modules(settings: Settings, gpu: GpuType, branch: Branch) -> Iterator[Fault]:
    capability, table = gpu.compute_capability, drivers().open_modules
    modules = modules_of(settings, gpu, branch)
    if capability < branch.minimum_capability:
        rule = f"must be of an older branch: {branch.number} does not drive {gpu.name}"
        yield _fault("driver_version", rule, settings.driver_version)
    elif modules == "proprietary" and not branch.proprietary:
        rule = f"must be open or auto: branch {branch.number} has no proprietary modules"
        yield _fault("driver_modules", rule, modules)
    elif modules == "open" and capability < table.minimum_capability:
        rule = f"must be proprietary or auto: {gpu.name} is too old for open modules"
        yield _fault("driver_modules", rule, modules)
    elif modules == "proprietary" and capability >= table.required_from:
        rule = f"must be open or auto: {gpu.name} runs with nothing else"
        yield _fault("driver_modules", rule, modules)


def _cuda(settings: Settings, gpu: GpuType, branch: Branch, engines: set[str]) -> Iterator[Fault]:
    """The engine's and the toolkits' CUDA need a driver that is new enough; these also a GPU.

    What GPU an engine needs is its own rule (``engines.abilities``).
    """
    needs = {f"CUDA {each}": numbers(each)[0] for each in settings.cuda_toolkit if numbers(each)}
    needs |= cuda_majors(settings, engines)
    for what, major in needs.items():
        cuda = drivers().cuda.get(major)
        if cuda and branch.number < cuda.minimum_branch:
            rule = f"must be of branch {cuda.minimum_branch} or newer: {what} needs CUDA {major}"
            yield _fault("driver_version", rule, settings.driver_version)
        if cuda and gpu.compute_capability < cuda.minimum_capability and what.startswith("CUDA"):
            rule = f"must be older: CUDA {major} does not know {gpu.name}"
            yield _fault("cuda_toolkit", rule, what)

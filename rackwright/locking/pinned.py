"""What inventory and group data pin, read from spec, plan and files of the project."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from rackwright.desired import paths
from rackwright.desired.base import base_items
from rackwright.desired.engines import engines_of
from rackwright.desired.gateway_tls import ACME_PACKAGES
from rackwright.desired.items import Package
from rackwright.desired.routers import kinds_of
from rackwright.desired.weights import hub_of
from rackwright.engines import ENGINES
from rackwright.engines.release import Released, Venv, cuda_of
from rackwright.locking.pins import UV, HostPins, ModelPin, Pins, ReleasePin
from rackwright.locking.requirements import versions_of
from rackwright.models.gguf import Gguf, Mmproj
from rackwright.plan import FleetPlan, Replica
from rackwright.planning.firewall import firewall_of
from rackwright.spec import FleetSpec, Settings


def pins_of(spec: FleetSpec, plan: FleetPlan) -> Pins:
    """What is pinned today, without a question to anybody.

    Raises OSError where a file that settings name is gone (``inventory.project_files`` says which).
    """
    hosts: dict[str, HostPins] = {}
    releases: dict[str, ReleasePin] = {}
    models: dict[str, ModelPin] = {}
    for host in dict.fromkeys((*spec.servers, *spec.gateways)):
        settings, replicas = spec.settings[host], plan.on(host)
        of_host = dict(_releases(host, plan, settings))
        served = {k: p for each in replicas for k, p in model_pins(each, hub_of(settings)).items()}
        hosts[host] = HostPins(
            releases=tuple(sorted(of_host)),
            models=tuple(sorted(served)),
            packages=packages_of(host, spec, plan),
            driver=_driver(settings) if host in spec.servers else None,
            python=settings.engine_python if UV in {r.name for r in of_host.values()} else "",
        )
        releases |= of_host
        models |= served
    return Pins(hosts, releases, models)


def _driver(settings: Settings) -> str | None:
    return None if settings.driver_source == "none" else settings.driver_version


def packages_of(host: str, spec: FleetSpec, plan: FleetPlan) -> tuple[str, ...]:
    """The apt packages that a host gets by name, sorted; those of its driver aside."""
    gateway, failover = spec.gateways.get(host), spec.failover
    items = base_items(
        spec.settings[host],
        server=host in spec.servers,
        gateway=gateway is not None,
        shares_address=bool(failover and failover.shares and host in failover.gateways),
        engines=engines_of(plan.on(host)),
        firewall=firewall_of(host, spec, plan) is not None,
        routers=bool(plan.routers_on(host)),
    )
    names = {item.key for item in items if isinstance(item, Package)}
    names.update(ACME_PACKAGES if gateway and gateway.acme else ())
    return tuple(sorted(names))


def _releases(host: str, plan: FleetPlan, settings: Settings) -> Iterator[tuple[str, ReleasePin]]:
    installed = [_release(engine, settings) for engine in engines_of(plan.on(host))]
    installed += [_release(kind, settings) for kind in kinds_of(plan.routers_on(host))]
    yield from installed
    if any(pin.requirements for _, pin in installed):
        file = settings.uv_requirements
        version = versions_of(paths.lock_file(file).decode()).get(UV, "")
        yield f"{UV}/{paths.uv_digest(settings)}", ReleasePin(UV, version, file)


def _release(released: Released, settings: Settings) -> tuple[str, ReleasePin]:
    release = released.release(settings)
    key, cuda = f"{released.name}/{paths.release_id(release)}", _cuda(released.name, settings)
    if isinstance(release.content, Venv):
        requirements = release.content.requirements
        return key, ReleasePin(released.name, release.version, requirements, cuda=cuda)
    downloads = release.content.downloads
    return key, ReleasePin(released.name, release.version, downloads=downloads, cuda=cuda)


def _cuda(name: str, settings: Settings) -> int | None:
    engine = ENGINES.get(name)
    version = engine.pinned(settings) if engine and engine.uses_gpus(settings) else None
    return cuda_of(engine.cuda_builds, version) if engine and version else None


def model_keys(replica: Replica) -> list[str]:
    """How the weights that a replica serves are called: each file of a split GGUF model."""
    gguf, source = replica.gguf, replica.model.source
    if gguf is None:
        return [source.path or f"{source.repo}@{source.revision}"]
    if gguf.pull:
        return [f"pull:{gguf.pull}"]  # such an engine takes no projector
    files = replica.gguf_files
    return [one.path or f"{one.repo}@{one.revision}:{one.file}" for one in files]


def model_pins(replica: Replica, hub: str) -> dict[str, ModelPin]:
    """Where they come from, by the same keys; ``hub`` is the server's."""
    gguf, source = replica.gguf, replica.model.source
    pins = [_file_pin(one, hub) for one in replica.gguf_files]
    if gguf is None and source.path:
        pins = [ModelPin(path=source.path)]
    elif gguf is None:
        pins = [ModelPin(source.repo, source.revision, hub=hub)]
    return dict(zip(model_keys(replica), pins, strict=True))


def _file_pin(gguf: Gguf | Mmproj, hub: str) -> ModelPin:
    known = ModelPin(sha256=gguf.sha256, size_bytes=gguf.size_bytes)
    if isinstance(gguf, Gguf) and gguf.pull:
        return replace(known, pull=gguf.pull)
    if gguf.path:
        return replace(known, path=gguf.path, file=gguf.path.rpartition("/")[2])
    return replace(known, repo=gguf.repo, revision=gguf.revision, file=gguf.file or "", hub=hub)

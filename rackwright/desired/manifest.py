"""The manifest of a host: the plan and every item that it was given, without secrets and times."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from rackwright.desired import paths
from rackwright.desired.engines import engines_of
from rackwright.desired.gateway_places import KEYS
from rackwright.desired.items import (
    Certificate,
    Directory,
    File,
    Item,
    Manifest,
    Package,
    Symlink,
    Unit,
    User,
)
from rackwright.desired.routers import kinds_of
from rackwright.desired.weights import weights_request
from rackwright.engines import ENGINES, Venv
from rackwright.engines.release import Released
from rackwright.plan import FleetPlan, Replica
from rackwright.spec import FleetSpec, Settings

FILE = "manifest.json"
LIVE = {KEYS}
"""Files that are changed without a deploy: clients' keys, by `rackwright keys`."""


def manifest_path(settings: Settings) -> str:
    """Where it lies on a host."""
    return f"{settings.state_dir}/{FILE}"


def manifest(name: str, spec: FleetSpec, plan: FleetPlan, items: Iterable[Item]) -> Manifest:
    """Of the host ``name``, from all ``items`` that it is to have: the same for the same plan."""
    settings, found = spec.settings[name], list(items)
    replicas = plan.on(name)
    releases: tuple[Released, ...] = (*engines_of(replicas), *kinds_of(plan.routers_on(name)))
    weights = _weights(replicas, settings)
    planned = {
        "host": name.removeprefix("@"),
        "plan": _plan(name, spec, plan),
        "driver": _driver(name, spec),
        "releases": {one.name: paths.release_dir(one, settings) for one in releases},
        "weights": {path: said for path, (said, _) in weights.items()},
        **_parts(found),
    }
    return Manifest(
        manifest_path(settings),
        planned,
        packages=sorted(planned["packages"]),
        releases=[paths.release_dir(one, settings) for one in _venvs(releases, settings)],
        weights={path: digest for path, (_, digest) in weights.items()},
    )


def _venvs(releases: Sequence[Released], settings: Settings) -> list[Released]:
    return [one for one in releases if isinstance(one.release(settings).content, Venv)]


def _plan(name: str, spec: FleetSpec, plan: FleetPlan) -> dict[str, Any]:
    settings, gateway = spec.settings[name], spec.gateways.get(name)
    return {
        "replicas": {one.name: _replica(one, settings) for one in plan.on(name)},
        "routers": {one.name: [one.kind, one.port] for one in plan.routers_on(name)},
        "gateway": gateway and {"name": gateway.server_name, "port": gateway.port},
    }


def _replica(replica: Replica, settings: Settings) -> dict[str, Any]:
    """What is served, and the command line that serves it: no secret is in one."""
    engine, path = ENGINES[replica.service.engine], paths.model_path(replica, settings)
    return {
        "service": replica.service.name,
        "model": replica.model.name,
        "engine": engine.name,
        "version": engine.version(settings),
        "gpus": list(replica.gpus),
        "port": replica.port,
        "arguments": list(engine.argv(replica, path, settings)),
    }


def _driver(name: str, spec: FleetSpec) -> dict[str, str] | None:
    settings = spec.settings[name]
    if name not in spec.servers:
        return None
    planned = settings.driver_version if settings.driver_source != "none" else "its provider's"
    return {"source": settings.driver_source, "version": planned}


def _weights(replicas: Sequence[Replica], settings: Settings) -> dict[str, tuple[str, str | None]]:
    """By path where they are from, and the digest of a file that is pinned."""
    request = weights_request(replicas, settings, {}) or {"models": []}
    found = {}
    for model in request["models"]:
        if model["kind"] == "file":
            found[model["path"]] = (model["url"] or "the operator's", model["sha256"])
        else:
            repo = model["repo"] and f"{model['repo']}@{model['revision']}"
            found[model["path"]] = (repo or "the operator's", None)
    return found


def _parts(items: Sequence[Item]) -> dict[str, Any]:
    """Items by their kinds. Of a secret file neither content nor digest is written down."""
    return {
        "files": {one.key: _file(one) for one in items if isinstance(one, File)},
        "folders": {one.key: _access(one) for one in items if isinstance(one, Directory)},
        "links": {one.key: one.target for one in items if isinstance(one, Symlink)},
        "packages": {
            one.key: {"version": one.exact or one.version, "hold": one.hold}
            for one in items
            if isinstance(one, Package) and not one.where_present
        },
        "units": sorted({one.key for one in items if isinstance(one, Unit)}),
        "users": {one.key: one.home for one in items if isinstance(one, User)},
        "certificates": {one.key: list(one.names) for one in items if isinstance(one, Certificate)},
    }


def _file(file: File) -> list[str]:
    if file.key in LIVE:
        return [*_access(file), "live"]
    return [*_access(file), "secret" if file.secret else file.sha256]


def _access(item: File | Directory) -> list[str]:
    return [f"{item.mode:04o}", f"{item.owner}:{item.group}"]

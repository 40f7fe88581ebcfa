"""What hosts are told of where things come from: a bundle, mirrors, or nothing of either."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from debian.deb822 import Deb822
from pyinfra.api.host import Host

from rackwright.bundling.manifest import BundledHost, Manifest
from rackwright.bundling.serving import Shelf
from rackwright.bundling.system import distribution_of, folder_of
from rackwright.desired.items import Change, Package, payload
from rackwright.desired.paths import PROJECT
from rackwright.errors import HostError
from rackwright.runner.bundle_faults import manifest_of
from rackwright.runner.bundle_way import way_to
from rackwright.runner.fleet import settings_of
from rackwright.spec import Settings

Values = dict[str, Any]


def with_supply(host: Host, script: str, request: Mapping[str, Any]) -> Values:
    """A request of ``release`` or ``weights`` to a host, and where it has its files from.

    Raises HostError where there is no way to the bundle.
    """
    settings = settings_of(host)
    if settings is None:
        return dict(request)
    if settings.bundle is None:
        mirrors = {"index": settings.python_index, "builds": settings.python_builds}
        return {**request, **mirrors} if script == "release" else dict(request)
    manifest, url = manifest_of(settings.bundle), _url(host, settings.bundle)
    if script == "release":
        return _release(request, manifest, _bundled(host, manifest), url)
    return {**request, **_weights(request, manifest, url)}


def to_apply(host: Host, changes: Sequence[Change]) -> Values:
    """The request of ``state`` that makes changes, packages from where the host has them from.

    Raises HostError.
    """
    request = {"do": "apply", "items": payload(changes)}
    packages = any(isinstance(change.item, Package) for change in changes)
    supply = apt_of(host) if packages else None
    return {**request, "apt": supply} if supply else request


def apt_of(host: Host) -> Values | None:
    """What a host's apt reads instead of its own sources; None where it reads these.

    Raises HostError where there is no way to the bundle.
    """
    settings = settings_of(host)
    if settings is None or settings.bundle is None:
        return _mirrors(settings) if settings else None
    system = _bundled(host, manifest_of(settings.bundle)).system
    fields = {
        "Types": "deb",
        "URIs": f"{_url(host, settings.bundle)}/{folder_of(system)}",
        "Suites": "./",
        "Trusted": "yes",  # this source alone, which SSH leads to: its files are the manifest's
    }
    return {"only": True, "sources": {distribution_of(system): str(Deb822(fields))}}


def _bundled(host: Host, manifest: Manifest) -> BundledHost:
    if host.name not in manifest.hosts:
        raise HostError(f"{host.name}: the bundle was made without this host")
    return manifest.hosts[host.name]


def _mirrors(settings: Settings) -> Values | None:
    files = settings.apt_sources.items()
    texts = {key: (PROJECT / path).read_text(encoding="utf-8") for key, path in files}
    return {"only": False, "sources": texts} if texts else None


def _url(host: Host, folder: str) -> str:
    return way_to(_shelf(folder), host)


@lru_cache(maxsize=4)
def _shelf(folder: str) -> Shelf:
    return Shelf(Path(folder), manifest_of(folder).files)


def _release(
    request: Mapping[str, Any], manifest: Manifest, bundled: BundledHost, url: str
) -> Values:
    """Archives by their place in the bundle; the Python that the wheels were chosen for."""
    python = bundled.python
    if request["python"].startswith("=="):  # that of a lock
        python = request["python"]
    elif python and not bundled.python_fetched:
        python = ".".join(python.split(".")[:2])  # the system's own, which it may have upgraded
    releases = [{**one, **_downloads(one, manifest, url)} for one in request["releases"]]
    return {**request, "releases": releases, "bundle": {"url": url, "python": python}}


def _downloads(release: Mapping[str, Any], manifest: Manifest, url: str) -> Values:
    if "downloads" not in release:
        return {}
    found = {}
    for architecture, (_, sha256) in release["downloads"].items():
        path = next((p for p in manifest.files if p.startswith(f"archives/{sha256}/")), None)
        if path:
            found[architecture] = [f"{url}/{path}", sha256]
    return {"downloads": found}


def _weights(request: Mapping[str, Any], manifest: Manifest, url: str) -> Values:
    return {
        "models": [{**one, **_model(one, manifest, url)} for one in request["models"]],
        "bundle": {"url": url},
    }


def _model(model: Mapping[str, Any], manifest: Manifest, url: str) -> Values:
    """Of one file its URL; of a folder where its files are, and each by name, size and digest."""
    if model["kind"] == "file":
        name = next(
            (
                path
                for paths in manifest.models.values()
                for path in paths.values()
                if manifest.files[path].sha256 == model["sha256"]
            ),
            None,
        )
        return {"url": f"{url}/{name}"} if name and model["url"] else {}
    paths = manifest.models.get(f"{model['repo']}@{model['revision']}", {})
    if not paths:
        return {}
    name, path = next(iter(paths.items()))
    of = {name: manifest.files[path] for name, path in paths.items()}
    files = [[name, file.size_bytes, f"sha256:{file.sha256}"] for name, file in of.items()]
    return {"bundled": {"url": f"{url}/{path.removesuffix(f'/{name}')}", "files": files}}

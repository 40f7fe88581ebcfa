"""All that a fleet needs, found out: what is to be fetched, and what the bundle then has."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rackwright.bundling import pythons, repositories
from rackwright.bundling.controller import OwnFiles, controller_files
from rackwright.bundling.manifest import BundledHost, Manifest
from rackwright.bundling.packages import Repositories
from rackwright.bundling.releases import Releases
from rackwright.bundling.system import System, python_of
from rackwright.bundling.wanted import Wanted, merged
from rackwright.bundling.wheels import Uv
from rackwright.errors import Fault, HostError, SpecError
from rackwright.locking import Lock, Pins
from rackwright.spec import FleetSpec

HEADING = "that keep the bundle from being whole; nothing was fetched"


@dataclass
class Contents:
    """What a bundle is to have: files to fetch, files that are written here, and its manifest."""

    wanted: list[Wanted] = field(default_factory=list)
    written: dict[str, bytes] = field(default_factory=dict)
    manifest: Manifest = field(default_factory=Manifest)


class Making:
    """One bundle being planned. Whatever cannot be had is a fault; all of them are said at once."""

    def __init__(
        self,
        spec: FleetSpec,
        pins: Pins,
        lock: Lock | None,
        systems: Mapping[str, System],
        work: Path,
        uv: Uv,
        said: Callable[[str], None],
    ) -> None:
        """``work`` is an empty folder; ``said`` hears what is being asked."""
        self.spec, self.pins, self.lock, self.systems = spec, pins, lock, systems
        self.work, self.uv, self.said = work, uv, said
        self.wanted: list[Wanted] = []
        self.faults: list[Fault] = []

    def contents(self) -> Contents:
        """Everything. Raises SpecError with all that cannot be had."""
        hosts = {name: self._host(name) for name in self.pins.hosts}
        releases = Releases(self.spec, self.pins, self.systems, self.uv, self.said)
        files_of_releases = releases.of(hosts)
        models = {key: files for key in self.pins.models if (files := self._model(key))}
        own = self._own(releases)
        debs = Repositories(self.spec, self.pins, self.lock, self.systems, self.work, self.said)
        self._try("packages", debs.resolve)
        self.faults += [*releases.faults, *debs.faults]
        self.faults += [Fault("controller", rule) for rule in own.faults]
        self.wanted += [*releases.wanted, *own.wanted, *debs.wanted]
        try:
            wanted = merged(self.wanted)
        except ValueError as error:
            self.faults.append(Fault("bundle", str(error)))
        if self.faults:
            raise SpecError(self.faults, HEADING)
        manifest = Manifest(hosts=hosts, releases=files_of_releases, models=models, debs=debs.names)
        return Contents(wanted, {**debs.written, **own.written}, manifest)

    def _own(self, releases: Releases) -> OwnFiles:
        found: list[OwnFiles] = []
        self._try("controller", lambda: found.append(controller_files(releases.wheels_of)))
        return next(iter(found), OwnFiles([], {}, []))

    def _try(self, path: str, act: Callable[[], None]) -> None:
        try:
            act()
        except SpecError as error:
            self.faults += error.faults
        except HostError as error:
            self.faults.append(Fault(path, str(error)))

    def _host(self, name: str) -> BundledHost:
        system, pins = self.systems[name], self.pins.hosts[name]
        own = python_of(system, pins.python) if pins.python else None
        python = own or (self._fetched_python(name, system) if pins.python else "")
        return BundledHost(
            system=system.key,
            python=python,
            python_fetched=bool(python) and not own,
            environment=str(system.target(python)) if python else "",
            driver=pins.driver or "",
        )

    def _fetched_python(self, name: str, system: System) -> str:
        found: list[str] = []

        def ask() -> None:
            version, archive = pythons.fetched(system, self.pins.hosts[name].python, self.uv)
            self.wanted.append(archive)
            found.append(version)

        self._try(f"hosts[{name}].python", ask)
        return next(iter(found), "")

    def _model(self, key: str) -> dict[str, str]:
        pin = self.pins.models[key]
        if pin.path:
            return {}  # the operator puts it there
        if pin.pull:
            rule = "is pulled from Ollama's registry: name its file with repo, revision and file"
            self.faults.append(Fault(f"models[{key}]", rule))
            return {}
        found: dict[str, Wanted] = {}

        def ask() -> None:
            settings = next(
                self.spec.settings[name]
                for name, one in self.pins.hosts.items()
                if key in one.models
            )
            self.said(f"asking for the files of {key}")
            token = os.environ.get(settings.hf_token_env, "")
            found.update(repositories.files_of(pin, settings.hub, token))

        self._try(f"models[{key}]", ask)
        self.wanted += found.values()
        return {name: one.path for name, one in found.items()}

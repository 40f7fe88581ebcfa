"""The engine's release: whole, pinned, and the one that units run from."""

from __future__ import annotations

from hashlib import sha256

from testinfra.host import Host as Machine

from rackwright.desired import paths
from rackwright.settings import Settings
from rackwright.spec import ServerSpec


def test_release_is_whole(machine: Machine, settings: Settings, server: ServerSpec) -> None:
    assert machine.file(f"{paths.release_dir(settings)}/.complete").exists


def test_release_is_live(machine: Machine, settings: Settings, server: ServerSpec) -> None:
    link = machine.file(paths.current_link(settings))
    assert link.is_symlink
    assert link.linked_to == paths.release_dir(settings)


def test_requirements_are_those_of_the_inventory(
    machine: Machine, settings: Settings, server: ServerSpec
) -> None:
    lock = paths.lock_file(settings.vllm_requirements)
    found = machine.file(paths.requirements_path(settings))
    assert found.sha256sum == sha256(lock).hexdigest()


def test_version_is_pinned(machine: Machine, settings: Settings, server: ServerSpec) -> None:
    python = f"{paths.current_link(settings)}/bin/python"
    ask = "from importlib.metadata import version; print(version('vllm'))"
    found = machine.run("%s -c %s", python, ask)
    assert found.rc == 0, found.stderr
    assert found.stdout.strip().partition("+")[0] == settings.vllm_version

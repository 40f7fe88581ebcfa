"""The engines' releases: whole, pinned, and the ones that units run from."""

from __future__ import annotations

from hashlib import sha256

import pytest
from testinfra.host import Host as Machine

from rackwright.desired import paths
from rackwright.engines import ENGINES, Venv
from rackwright.plan import Replica
from rackwright.spec import Settings


def test_release_is_whole(machine: Machine, settings: Settings, replica: Replica) -> None:
    folder = paths.release_dir(ENGINES[replica.service.engine], settings)
    assert machine.file(f"{folder}/.complete").exists


def test_release_is_live(machine: Machine, settings: Settings, replica: Replica) -> None:
    engine, unit = ENGINES[replica.service.engine], paths.unit_name(replica)
    started = machine.check_output("systemctl show --property ExecStart %s", unit)
    assert f"path={paths.release_dir(engine, settings)}/" in started


def test_requirements_are_those_of_the_inventory(
    machine: Machine, settings: Settings, replica: Replica
) -> None:
    engine = ENGINES[replica.service.engine]
    content = engine.release(settings).content
    if not isinstance(content, Venv):
        pytest.skip("installed from an archive")
    found = machine.file(paths.requirements_path(engine, settings))
    assert found.sha256sum == sha256(paths.lock_file(content.requirements)).hexdigest()


def test_the_engines_program_is_there(
    machine: Machine, settings: Settings, replica: Replica
) -> None:
    engine = ENGINES[replica.service.engine]
    program = f"{paths.release_dir(engine, settings)}/{engine.program(settings)}"
    assert machine.run("test -x %s", program).rc == 0


def test_version_is_pinned(machine: Machine, settings: Settings, replica: Replica) -> None:
    engine = ENGINES[replica.service.engine]
    release = engine.release(settings)
    if not isinstance(release.content, Venv) or not release.content.distribution:
        pytest.skip("its files are known by their digest alone")
    python = f"{paths.release_dir(engine, settings)}/bin/python"
    ask = (
        f"from importlib.metadata import version; print(version('{release.content.distribution}'))"
    )
    found = machine.run("%s -c %s", python, ask)
    assert found.rc == 0, found.stderr
    assert found.stdout.strip().partition("+")[0] == release.version.partition("-")[0]

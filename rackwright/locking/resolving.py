"""Another version of a Python engine: its hash-locked requirements, and what it would change."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rackwright.catalog.drivers import drivers
from rackwright.desired.paths import PROJECT, lock_file
from rackwright.engines import ENGINES
from rackwright.engines.release import Released, Venv, build_of
from rackwright.errors import Fault, InputError, SpecError, nearest
from rackwright.inventory.project_files import unlocked
from rackwright.locking.change import moved, some
from rackwright.locking.outside import Outside
from rackwright.locking.release_changes import NOTABLE
from rackwright.locking.requirements import versions_of
from rackwright.routers import ROUTERS
from rackwright.spec import Settings

OLDEST_PYTHON = "3.11"
"""From which on the requirements hold; later ones have their own by condition."""


@dataclass(frozen=True)
class Resolved:
    """A requirements file to be, named relative to the project, and what is to be known of it."""

    requirements: str
    text: str
    settings: dict[str, str]
    means: tuple[str, ...]


def resolved(asked: str, settings: Settings, outside: Outside) -> Resolved:
    """The requirements of ``vllm==0.33.0``, beside those that ``settings`` name.

    Raises SpecError where that is no Python release, HostError where the index has it not.
    """
    name, _, version = asked.partition("==")
    released, before = _pinned(name, settings, asked)
    own: str = getattr(settings, f"{_key(name)}_version")
    if own not in before:
        rule = f"must have {own} in its name, so that the next can have its own"
        raise SpecError([Fault(f"settings.{_key(name)}_requirements", rule, before)])
    with tempfile.TemporaryDirectory(prefix="rackwright-") as folder:
        wanted = Path(folder, "wanted.in")
        wanted.write_text(f"{name}=={version}\n")
        text = outside.uv(
            *("pip", "compile", "--quiet", "--generate-hashes", "--no-annotate", "--no-header"),
            *("--universal", "--python-version", OLDEST_PYTHON, str(wanted)),
        )
    if rule := unlocked(text):
        raise InputError(f"what uv says of {asked} cannot be used: it {rule}")
    file = before.replace(own, version)
    values = {f"{_key(name)}_version": version, f"{_key(name)}_requirements": file}
    return Resolved(file, text, values, tuple(_means(released, version, before, text)))


def _key(name: str) -> str:
    return name.replace("-", "_")


def _pinned(name: str, settings: Settings, asked: str) -> tuple[Released, str]:
    """The engine or router of that name, and its requirements file."""
    known: dict[str, Released] = {**ENGINES, **ROUTERS}
    python = {each for each in known if getattr(settings, f"{_key(each)}_requirements", None)}
    if name not in python or not asked.partition("==")[2]:
        rule = "must be a name and an exact version, vllm==0.33.0"
        rule = rule if name in python else nearest(name, python, "Python release")
        raise SpecError([Fault("--resolve", rule, asked)], heading="in what was asked")
    release = known[name].release(settings)
    assert isinstance(release.content, Venv)
    if release.content.distribution != name or getattr(settings, f"{name}_build", "") == "cpu":
        rule = "must be of the build for GPUs: another package brings this one"
        raise SpecError([Fault("--resolve", rule, asked)], heading="in what was asked")
    return known[name], release.content.requirements


def _means(released: Released, version: str, before: str, text: str) -> Iterator[str]:
    changed = moved(versions_of(lock_file(before).decode()), versions_of(text), NOTABLE)
    yield f"{len(changed)} packages change: {some(changed)}" if changed else "no package changes"
    engine = ENGINES.get(released.name)
    build = build_of(engine.cuda_builds, version) if engine else None
    if build:
        floor = drivers().cuda[build.cuda].minimum_branch
        built = f"as of {build.version}: torch {build.torch}, CUDA {build.cuda}"
        yield f"built, {built}; driver branch {floor} or newer ({build.source})"


def written(found: Resolved) -> Path:
    """Write the requirements file. Raises InputError where the system refuses it."""
    path = PROJECT / found.requirements
    try:
        path.write_text(found.text, encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}") from None
    return path

"""What one host's archives offer, read strictly from its answer to ``remote/offered.py``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from debian.debian_support import Version

from rackwright.errors import Fault, HostError
from rackwright.locking.lock import Deb, File, LockedDriver, LockedSystem
from rackwright.locking.outside import Answer
from rackwright.schema.validation import parse

SYSTEM, DRIVER = "system", "driver"
"""The groups of packages that are asked about."""


@dataclass(frozen=True)
class Offered:
    """What is locked of a host: its system by key, its driver where one is installed here.

    ``models`` are files of folders that the operator filled, by folder.
    """

    key: str
    system: LockedSystem
    driver: LockedDriver | None
    models: dict[str, dict[str, File]] = field(default_factory=dict)


def offered(host: str, answer: Answer) -> Offered:
    """Raises HostError where the host could not answer, or lacks a package, in its own words."""
    if "error" in answer:
        raise HostError(f"{host}: {answer['error']}")
    try:
        return _offered(host, answer)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise HostError(f"{host}: its answer cannot be read ({error!r})") from None


def _offered(host: str, answer: Answer) -> Offered:
    key = " ".join(str(answer[name]) for name in ("id", "version_id", "architecture"))
    archives = {str(name): str(date) for name, date in answer["archives"].items()}
    system = LockedSystem(
        codename=str(answer["codename"]),
        glibc=str(answer["glibc"]),
        python=str(answer["python"]),
        wanted=tuple(sorted(answer["wanted"][SYSTEM])),
        packages=_packages(host, answer, SYSTEM),
        archives=archives,
    )
    driver = answer.get(DRIVER)
    models = {
        str(folder): {
            str(name): File(sha256=sha256, size_bytes=size)
            for name, (sha256, size) in sorted(files.items())
        }
        for folder, files in answer["models"].items()
    }
    own = _driver(host, answer, driver, archives) if driver else None
    return Offered(key, system, own, models)


def _driver(host: str, answer: Answer, said: Any, archives: dict[str, str]) -> LockedDriver:
    return LockedDriver(
        version=said["version"],
        archive=said["archive"],
        wanted=tuple(sorted(answer["wanted"][DRIVER])),
        packages=_packages(host, answer, DRIVER),
        archives=archives,
    )


def _packages(host: str, answer: Answer, group: str) -> dict[str, Deb]:
    said = answer["groups"][group]
    if "error" in said:
        words = f"{said['error']} {answer['complaints']}".strip()
        raise HostError(f"{host}: its archives lack what is to be installed: {words}")
    faults: list[Fault] = []
    found = {
        name: parse(Deb, deb, f"{host}.{name}", faults) for name, deb in said["packages"].items()
    }
    if faults:
        raise HostError(f"{host}: its answer cannot be read ({faults[0]})")
    return {name: deb for name, deb in sorted(found.items()) if deb}


def merged_system(one: LockedSystem, other: LockedSystem) -> LockedSystem:
    """Of two hosts of one system: the packages of both, and the newer where they differ."""
    return one.model_copy(
        update={
            "wanted": tuple(sorted({*one.wanted, *other.wanted})),
            "packages": newest(one.packages, other.packages),
            "archives": _latest(one.archives, other.archives),
        }
    )


def merged_driver(one: LockedDriver, other: LockedDriver) -> LockedDriver:
    """The same of two hosts' drivers of one version."""
    return one.model_copy(
        update={
            "wanted": tuple(sorted({*one.wanted, *other.wanted})),
            "packages": newest(one.packages, other.packages),
            "archives": _latest(one.archives, other.archives),
        }
    )


def newest(one: dict[str, Deb], other: dict[str, Deb]) -> dict[str, Deb]:
    """Each package of both, at its newest version: a mirror that lags behind will have it too."""
    found = dict(one)
    for name, deb in other.items():
        if name not in found or Version(found[name].version) < Version(deb.version):
            found[name] = deb
    return dict(sorted(found.items()))


def _latest(one: dict[str, str], other: dict[str, str]) -> dict[str, str]:
    dates = {name: max(one.get(name, ""), other.get(name, "")) for name in {*one, *other}}
    return dict(sorted(dates.items()))

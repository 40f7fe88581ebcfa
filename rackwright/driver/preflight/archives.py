"""Whose packages are there already, and whether the planned ones can be had."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rackwright.catalog.drivers import numbers
from rackwright.desired.items import Package, upstream_version
from rackwright.driver import packages, sources
from rackwright.driver.facts import CODENAMES, Facts
from rackwright.driver.offers import Offers
from rackwright.driver.plan import DriverPlan
from rackwright.driver.preflight.situation import Situation, Trouble

REFUSED_KEY = (
    "NO_PUBKEY",
    "Missing key",
    "not bound",
    "BADSIG",
    "EXPKEYSIG",
    "REVKEYSIG",
    "is not signed",
    "couldn't be verified",
    "verification failed",
    "invalid signature",
)
_NVIDIA = "/compute/cuda/repos/"
UNREACHED = ("Failed to fetch", "Could not", "does not have a Release file", "Unable to connect")


def other_driver(situation: Situation) -> Iterator[Trouble]:
    """Two archives, or an archive and NVIDIA's own installer, overwrite each other's files."""
    if not situation.installing:
        return
    if situation.facts.runfile:
        yield Trouble(
            "NVIDIA's own installer (.run) has put a driver here: "
            f"{', '.join(situation.facts.runfile)}",
            "remove it with `nvidia-uninstall`, reboot, and run this again",
        )
    foreign = [f"{name} {why}" for name, why in _foreign(situation.installing, situation.facts)]
    if foreign:
        shown = ", ".join(foreign[:4]) + (f" and {len(foreign) - 4} more" if foreign[4:] else "")
        yield Trouble(
            f"driver packages of another archive are installed: {shown}",
            "remove them (`apt-get purge`), reboot, and run this again; or set driver_source to "
            "the archive they came from, or to none",
        )


def _foreign(plan: DriverPlan, facts: Facts) -> Iterator[tuple[str, str]]:
    """Installed packages of a driver that the planned archive does not have in that version."""
    ours = f"{sources.FOLDER}/{sources.NVIDIA_FILE}" in facts.sources
    urls = [plan.repository.rstrip("/")] if plan.repository else []
    written = {p: t for p, t in facts.sources.items() if p.endswith(sources.NVIDIA_FILE)}
    for source in sources.read(written):
        urls += [uri.rstrip("/") for uri in source.uris]
    for name, package in sorted(facts.packages.items()):
        if not _is_driver(name, package.version):
            continue
        origins = package.origins
        if not origins and not ours:
            yield name, "(no archive of the host has it)"
        elif origins and not any(_belongs(origin, plan, urls) for origin in origins):
            yield name, f"({origins[0]})"


def _is_driver(name: str, version: str) -> bool:
    """Not the toolkits, container tools and keyrings that share the names."""
    major = numbers(upstream_version(version))[:1]
    parts = (
        "nvidia-",
        "libnvidia-",
        "libcuda1",
        "xserver-xorg-video-nvidia",
        "linux-modules-nvidia",
    )
    named = name.startswith(parts) and "container" not in name
    return named and (name.startswith("linux-modules") or bool(major and major[0] >= 300))


def _belongs(origin: str, plan: DriverPlan, urls: Sequence[str]) -> bool:
    """Whether an origin, ``URI suite/component``, is the planned archive."""
    uri, _, suite = origin.partition(" ")
    if urls:
        return uri.rstrip("/") in urls
    return suite.startswith(CODENAMES[plan.distribution]) and "launchpad" not in uri


def other_sources(situation: Situation) -> Iterator[Trouble]:
    """apt refuses one repository with two keys, and mixes two repositories that have a driver."""
    if not situation.installing:
        return
    url = situation.installing.repository.rstrip("/")
    for path, text in situation.facts.sources.items():
        uris = [uri.rstrip("/") for source in sources.read({path: text}) for uri in source.uris]
        if path in sources.OURS:
            continue
        if url and url in uris:
            yield Trouble(
                f"{path} names {url} as well: apt refuses one repository with two keys",
                "take that file away (`apt-get purge cuda-keyring` if it brought it)",
            )
        elif any(_NVIDIA in uri for uri in uris):
            yield Trouble(
                f"{path} names another repository of NVIDIA's: apt would mix its driver with the "
                "planned one",
                "take that file away, or set driver_source and driver_repository to it",
            )


def repository(situation: Situation) -> Iterator[Trouble]:
    """The archive is signed by the pinned key, can be reached, and has the pinned version."""
    if not situation.plan or situation.offers is None:
        return
    bundle = situation.settings.bundle
    url = "" if bundle else situation.plan.repository
    if url and (refused := _lines_of(situation.offers.complaints(url), REFUSED_KEY)):
        yield Trouble(
            f"apt refuses the signature of {url}: {refused}",
            "signature checking is never weakened here: if NVIDIA has a new key, put it into a "
            "file of the project and set driver_repository_key (docs/driver.md); for a mirror, "
            "give the key that signs it",
        )
        return
    wanted = [p for p in situation.plan.packages if not p.key.startswith(packages.HEADERS)]
    if missing := [package for package in wanted if not situation.offers.has(package)]:
        yield _lacks(situation.offers, url, missing, bundle)


def _lacks(offers: Offers, url: str, missing: Sequence[Package], bundle: str | None) -> Trouble:
    if bundle:
        names = ", ".join(_named(package, offers) for package in missing)
        return Trouble(f"bundle {bundle} has no {names}", "make it again with `rackwright bundle`")
    where = url or "none of the host's archives"
    if unreached := _lines_of(offers.complaints(url), UNREACHED):
        words = f"{url or 'an archive of the host'} could not be read: {unreached}"
        return Trouble(words, "check the network, and driver_repository")
    names = ", ".join(_named(package, offers) for package in missing)
    known = f"; it has pins for {', '.join(offers.pinned[-8:])}" if url and offers.pinned else ""
    return Trouble(
        f"{where} {'has no' if url else 'has'} {names}{known}",
        "set driver_version to one that is there; where the whole branch is missing (580 on Debian "
        "13), take another branch, or a mirror that has it (driver_repository)",
    )


def _named(package: Package, offers: Offers) -> str:
    version = f" {package.version}" if package.version else ""
    instead = [upstream_version(each) for each in offers.versions(package.key)]
    return f"{package.key}{version}" + (f" (but {', '.join(instead[:4])})" if instead else "")


def _lines_of(lines: Sequence[str], signs: Sequence[str]) -> str:
    found = [line for line in lines if any(sign in line for sign in signs)]
    return " ".join(found[:2])[:400]

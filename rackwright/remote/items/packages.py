"""Packages of the distribution, and patience with whoever else installs some."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from rackwright.remote.host.running import Failed, ended, in_english, run
from rackwright.remote.host.supplies import archives
from rackwright.remote.items.package_lock import hold_to_lock

PACKAGE_LOCK_WAIT_S = 300
LOCKED = ("Could not get lock", "Unable to lock", "locked by another process")
"""What apt and dpkg say while another of them runs."""
MENDING = ("--fix-broken", "--no-remove")
"""What apt is told where packages lack dependencies, which it might mend by removing them."""

Values = dict[str, Any]


_seen: dict[tuple[str, ...], dict[str, Values]] | None = None


def ask_once() -> None:
    """Have dpkg asked about the same packages once from now on: by who changes none of them."""
    global _seen
    _seen = {}


def installed(names: Sequence[str]) -> dict[str, Values]:
    """Status and version by name, of those that dpkg knows."""
    if not names:
        return {}
    if _seen is None:
        return _asked(names)
    key = tuple(sorted(names))
    if key not in _seen:
        _seen[key] = _asked(key)
    return _seen[key]


def _asked(names: Sequence[str]) -> dict[str, Values]:
    form = "${Package}\t${Status}\t${Version}\n"
    words = ended("dpkg-query", "-W", "-f", form, *names).stdout
    rows = [line.split("\t") for line in words.splitlines()]
    return {
        name: {"status": said, "version": version}
        for name, said, version in rows
        if not said.endswith(" not-installed")
    }


def install(packages: Sequence[Values], supply: Values | None = None) -> None:
    """One transaction for all of them; then those that are to be held are.

    ``supply`` says where they come from, if not from the host's own archives (``supplies.py``).
    Raises OSError, where it has none for this host too.
    """
    if not packages:
        return
    with archives(supply) as theirs:
        _install(packages, theirs)
    if held := [package["key"] for package in packages if package.get("hold")]:
        _patiently("apt-mark", "hold", *held)


def _install(packages: Sequence[Values], archives: Sequence[str]) -> None:
    options = ["-o", f"DPkg::Lock::Timeout={PACKAGE_LOCK_WAIT_S}"]
    options += ["-o", "Dpkg::Options::=--force-confold", *archives]
    if archives:
        _patiently("apt-get", *options, "update", "-q")
    install = ["apt-get", *options, "install", "-y", "-q", "--no-install-recommends"]
    if any(package.get("version") or package.get("exact") for package in packages):
        install += ["--allow-downgrades", "--allow-change-held-packages"]
    came_along = _automatic([one["key"] for one in packages if one.get("where_present")])
    _get([*install, *map(_wanted, packages)], options)
    if came_along:
        _patiently("apt-mark", "auto", *came_along)


def _automatic(names: Sequence[str]) -> list[str]:
    """Those that came with others; apt takes for wanted what it is asked for by name."""
    return ended("apt-mark", "showauto", *names).stdout.split() if names else []


def _wanted(package: Values) -> str:
    """A package as apt-get is asked for it: as locked, or any revision of what is pinned."""
    if package.get("exact"):
        return f"{package['key']}={package['exact']}"
    version = package.get("version")
    return f"{package['key']}={version}-*" if version else str(package["key"])


def _get(install: Sequence[str], options: Sequence[str]) -> None:
    try:
        hold_to_lock(install)
        _patiently(*install)
    except Failed:  # a cut-off dpkg, or package lists that are old or missing
        cut_off = not _configured()
        _patiently("apt-get", *options, "update", "-q")
        if cut_off:
            install = [*install, *MENDING]
            _unpack_again(options)
        hold_to_lock(install)
        _patiently(*install)


def _configured() -> bool:
    """Have dpkg end what was cut off. It cannot where dependencies were still to come."""
    try:
        _patiently("dpkg", "--configure", "-a")
    except Failed:
        return False
    return True


def _unpack_again(options: Sequence[str]) -> None:
    """Of packages that were cut off while they were unpacked: apt takes them to be there."""
    form = "${Package}\t${db:Status-Status}\n"
    rows = (line.split("\t") for line in ended("dpkg-query", "-W", "-f", form).stdout.splitlines())
    if half := [name for name, status in rows if status == "half-installed"]:
        install = ["install", "-y", "-q", "--no-install-recommends", "--allow-change-held-packages"]
        _patiently("apt-get", *options, *install, *MENDING, "--reinstall", *half)


def _patiently(*argv: str) -> None:
    """Run apt or dpkg, waiting while another does: a fresh server updates itself as it boots."""
    environment = in_english(DEBIAN_FRONTEND="noninteractive")
    deadline = time.monotonic() + PACKAGE_LOCK_WAIT_S
    while True:
        try:
            run(*argv, env=environment)
            return
        except Failed as failure:
            if time.monotonic() > deadline or not any(one in str(failure) for one in LOCKED):
                raise
            time.sleep(2)

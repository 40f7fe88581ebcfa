"""What apt would install, held to the lock: no package that is not in it comes in."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from rackwright.remote.host.running import Failed, ended, in_english

PINS = Path("/etc/apt/preferences.d/rackwright-lock.pref")
"""As ``locking/applied.py`` writes it."""
OF_KERNELS = "linux-"
"""Packages that follow the kernel that a host runs, which is no lock's to choose."""
_PIN = re.compile(r"^Package: (\S+)\nPin: version (\S+)$", re.MULTILINE)
_INSTALLED = re.compile(r"^Inst (\S+?)(?::\S+)? (?:\[\S+\] )?\((\S+) ", re.MULTILINE)
_MOST_NAMED = 10


def locked() -> dict[str, str]:
    """Version by name of all that may be installed here; empty where nothing is locked."""
    try:
        return dict(_PIN.findall(PINS.read_text()))
    except FileNotFoundError:
        return {}


def hold_to_lock(install: Sequence[str]) -> None:
    """Raise Failed where a command of apt-get would install what is not locked, and say what.

    Where apt cannot even begin its words are the message; nothing is changed.
    """
    versions = locked()
    if not versions:
        return
    done = ended(install[0], "-s", *install[1:], env=in_english())
    if done.returncode != 0:
        words = [line for line in done.stderr.splitlines() if line.startswith("E:")]
        raise Failed(_gone("; ".join(words) or done.stderr.strip()[-500:]))
    wrong = [
        f"{name} {version} ({versions.get(name) or 'nothing'} is locked)"
        for name, version in _INSTALLED.findall(done.stdout)
        if versions.get(name) != version and (name in versions or not name.startswith(OF_KERNELS))
    ]
    if wrong:
        more = f" and {len(wrong) - _MOST_NAMED} more" if len(wrong) > _MOST_NAMED else ""
        said = ", ".join(wrong[:_MOST_NAMED]) + more
        raise Failed(f"not in the lock: {said}; nothing was installed. {_REMEDY}")


_REMEDY = "`rackwright lock` locks what the archives have now"


def _gone(words: str) -> str:
    return (
        f"what is locked cannot be installed: {words}. {_REMEDY}; a mirror or snapshot of the "
        "archives as they were has what is locked"
    )

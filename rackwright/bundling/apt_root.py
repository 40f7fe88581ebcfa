"""apt with a root of its own, which needs no rights: the lists of another system, read here.

It asks the archives that a host names, trusts the keys that the host trusts, and takes for
installed what it is told. Nothing of this machine's own apt is read but its ways out (proxies).
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from shutil import which

from rackwright.bundling.system import System
from rackwright.causes.secrets import redacted
from rackwright.errors import HostError, InputError

TOOLS = ("apt-get", "apt-cache", "dpkg")
MOST_WORDS = 1500


def require_apt() -> None:
    """Raise InputError where this machine has no apt."""
    if absent := [tool for tool in TOOLS if which(tool) is None]:
        words = f"{', '.join(absent)} is not here: packages of hosts are found by apt itself"
        raise InputError(f"{words}, make the bundle on Debian or Ubuntu")


class AptRoot:
    """The archives of one system, in a folder of ours."""

    def __init__(self, folder: Path, system: System, sources: Mapping[str, str]) -> None:
        """``sources`` are texts by their paths on the host; their keys are ``system``'s."""
        self.folder, self.system = folder, system
        parts = folder / "etc/sources.list.d"
        for made in (parts, folder / "etc/preferences.d", folder / "etc/trusted.gpg.d",
                     folder / "lists/partial", folder / "cache/archives/partial"):  # fmt: skip
            made.mkdir(parents=True, exist_ok=True)
        self.empty = folder / "status-empty"
        self.empty.touch()
        places = {path: str(self._keep(path, text)) for path, text in system.contents().items()}
        for number, (path, text) in enumerate(sorted(sources.items())):
            suffix = "sources" if path.endswith(".sources") else "list"
            (parts / f"{number}.{suffix}").write_text(_placed(text, places))

    def _keep(self, path: str, content: bytes) -> Path:
        trusted = path.startswith("/etc/apt/trusted.gpg")
        folder = self.folder / ("etc/trusted.gpg.d" if trusted else "named")
        folder.mkdir(exist_ok=True)
        kept = folder / path.strip("/").replace("/", "-")
        kept.write_bytes(content)
        return kept

    def prefer(self, text: str) -> None:
        """Preferences (apt_preferences(5)), of which the host has a package's."""
        (self.folder / "etc/preferences.d/rackwright.pref").write_text(text)

    def update(self) -> None:
        """Fetch the lists. Raises HostError in apt's words, also where it only warns of a list."""
        said = self._ended("apt-get", "update", "-q").stdout.splitlines()
        wrong = [line for line in said if line.startswith(("E:", "Err:"))]
        if wrong or any("Failed to fetch" in line for line in said):
            words = "\n".join(line for line in said if line.startswith(("E:", "W:", "Err:")))
            raise HostError(f"archives of {self.system.key}: {redacted(words[-MOST_WORDS:])}")

    def transaction(self, names: Sequence[str], status: Path) -> str:
        """What apt would fetch to install packages (``NAME`` or ``NAME=VERSION``), as it says it.

        Raises HostError in apt's words.
        """
        done = self._ended(
            "apt-get", "install", "--print-uris", "-y", "-q", "--no-install-recommends",
            "--allow-downgrades", "--allow-change-held-packages", *names, status=status,
        )  # fmt: skip
        if done.returncode != 0:
            words = "; ".join(line for line in done.stdout.splitlines() if line.strip())
            raise HostError(f"packages of {self.system.key}: {redacted(words[-MOST_WORDS:])}")
        return done.stdout

    def records(self, names: Sequence[str]) -> str:
        """The index's own records of packages (``NAME=VERSION``)."""
        if not names:
            return ""
        return self._ended("apt-cache", "show", *names, stderr=subprocess.PIPE).stdout

    def _ended(
        self,
        program: str,
        *words: str,
        status: Path | None = None,
        stderr: int = subprocess.STDOUT,
    ) -> subprocess.CompletedProcess[str]:
        argv = [program, *self._options(status or self.empty), *words]
        environment = {**os.environ, "LC_ALL": "C", "APT_CONFIG": os.devnull}
        return subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            encoding="utf-8",
            errors="replace",
            env=environment,
        )

    def _options(self, status: Path) -> Iterator[str]:
        architecture, root = self.system.architecture, self.folder
        settings = {
            "Dir::Etc": f"{root}/etc",
            "Dir::Etc::sourcelist": "none",
            "Dir::Etc::sourceparts": "sources.list.d",
            "Dir::Etc::preferencesparts": "preferences.d",
            "Dir::Etc::trustedparts": "trusted.gpg.d",
            "Dir::State": f"{root}",
            "Dir::State::status": f"{status}",
            "Dir::State::lists": f"{root}/lists",
            "Dir::Cache": f"{root}/cache",
            "APT::Architecture": architecture,
            "APT::Architectures": architecture,
            "APT::Sandbox::User": "",
            "APT::Get::List-Cleanup": "false",
            "Acquire::Languages": "none",
            "Acquire::Retries": "3",
        }
        for name, value in settings.items():
            yield from ("-o", f"{name}={value}")


def _placed(text: str, places: Mapping[str, str]) -> str:
    """A source with the files that it names where they are here; the longest names first."""
    for path in sorted(places, key=len, reverse=True):
        text = text.replace(path, places[path])
    return text

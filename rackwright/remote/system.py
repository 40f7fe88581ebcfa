"""On the host: what its files are chosen by, for a bundle that is carried in. Only reads.

``id``, ``version_id`` and ``codename`` are of os-release(5), ``architecture`` is dpkg's and
``machine`` the kernel's. ``pythons`` are interpreters by path, with their version. ``sources`` are
apt's own; ``files`` what these name and apt reads besides (keys, lists of mirrors), in Base64;
``status`` is dpkg's list of packages, compressed and in Base64.
"""

from __future__ import annotations

import base64
import os
import platform
import re
import zlib
from pathlib import Path
from typing import Any

from rackwright.remote.host.archives import APT, sources
from rackwright.remote.host.operating_system import os_release
from rackwright.remote.host.running import output, said_by

ONLY_LOOKS = True
STATUS = Path("/var/lib/dpkg/status")
NAMED = re.compile(r"(?<![A-Za-z0-9._/-])/(?:etc/apt|usr/share/keyrings|usr/local/share/keyrings)"
                   r"/[A-Za-z0-9._+/-]+")  # fmt: skip
"""Files that a source names: a key, or a list of mirrors."""
KEYRINGS = Path("/usr/share/keyrings")
PROGRAMS = ("/usr/local/bin", "/usr/bin")
MOST_BYTES = 1 << 20
PYTHON = re.compile(r"python3(\.[0-9]+)?")

Values = dict[str, Any]


def pythons() -> dict[str, str]:
    """Interpreters by path, with their version."""
    paths = [
        path for folder in PROGRAMS if Path(folder).is_dir() for path in Path(folder).iterdir()
    ]
    wanted = sorted(str(path) for path in paths if PYTHON.fullmatch(path.name))
    ask = "import platform; print(platform.python_version())"
    versions = {path: said_by(path, "-I", "-c", ask) for path in wanted}
    return {path: version for path, version in versions.items() if version}


def files_named(given: list[Values]) -> dict[str, str]:
    """What sources name, and the keys that apt trusts for those that name none."""
    named = {match for one in given for match in NAMED.findall(one["text"])}
    trusted = [APT / "trusted.gpg", *sorted((APT / "trusted.gpg.d").glob("*"))]
    trusted += sorted(KEYRINGS.glob("*-archive-keyring.gpg"))  # the distribution's, by any source
    paths = [*map(Path, sorted(named)), *trusted]
    small = (path for path in paths if path.is_file() and path.stat().st_size <= MOST_BYTES)
    return {str(path): base64.b64encode(path.read_bytes()).decode() for path in small}


def glibc() -> str:
    """Its version; empty for another C library."""
    words = os.confstr("CS_GNU_LIBC_VERSION") or ""
    return words.split()[-1] if words.startswith("glibc ") else ""


def main() -> Values:
    """All of it. FileNotFoundError where there is no dpkg, or no os-release."""
    release, given = os_release(), sources()
    return {
        "id": release.get("ID", ""),
        "version_id": release.get("VERSION_ID", ""),
        "codename": release.get("VERSION_CODENAME", ""),
        "machine": platform.machine(),
        "architecture": output("dpkg", "--print-architecture").strip(),
        "glibc": glibc(),
        "pythons": pythons(),
        "sources": given,
        "files": files_named(given),
        "status": base64.b64encode(zlib.compress(STATUS.read_bytes(), 9)).decode(),
    }

"""sslyze, in a venv of its own: what it says of a server's TLS."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.errors import LabError
from lab.fleet import CACHE
from lab.keeping import kept

REQUIREMENTS = Path(__file__).with_name("sslyze-6.3.1.txt")
UV = str(Path(sys.executable).with_name("uv"))


@dataclass(frozen=True)
class Scan:
    """What was found, by sslyze's names, and each fault beside Mozilla's profile in its words."""

    found: dict[str, Any]
    faults: dict[str, str]

    def of(self, name: str) -> Any:
        """The result of one of its scans; LabError for one that did not end."""
        if self.found[name]["status"] != "COMPLETED":
            raise LabError(f"sslyze: {name}: {self.found[name]}")
        return self.found[name]["result"]

    def suites(self, version: str) -> list[str]:
        """The cipher suites that are taken in a version of TLS (``tls_1_2``)."""
        accepted = self.of(f"{version}_cipher_suites")["accepted_cipher_suites"]
        return [one["cipher_suite"]["name"] for one in accepted]


def scan(address: str, server_name: str, root: Path, profile: str = "intermediate") -> Scan:
    """Port 443 beside one of Mozilla's profiles; certificates of ``root`` (PEM) are trusted."""
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        argv = [_program(), f"--mozilla_config={profile}", f"--json_out={file.name}",
                f"--sni={server_name}", f"--certinfo_ca_file={root}", "--http_headers",
                f"{address}:443"]  # fmt: skip
        done = subprocess.run(argv, capture_output=True, text=True, timeout=600)
        _, told, beside = done.stdout.partition("COMPLIANCE AGAINST TLS CONFIGURATION")
        if not told:
            raise LabError(f"sslyze: {done.stdout[-1000:]}{done.stderr[-1000:]}")
        (server,) = json.loads(Path(file.name).read_text())["server_scan_results"]
    return Scan(server["scan_result"], dict(re.findall(r"\* (\w+): (.*)", beside)))


def _program() -> str:
    return str(kept(CACHE / REQUIREMENTS.stem, _install) / "bin" / "sslyze")


def _install(folder: Path) -> None:
    subprocess.run([UV, "venv", "-q", "--relocatable", str(folder)], check=True)
    install = [UV, "pip", "install", "-q", "--require-hashes", "-r", str(REQUIREMENTS)]
    subprocess.run(install, env={**os.environ, "VIRTUAL_ENV": str(folder)}, check=True)

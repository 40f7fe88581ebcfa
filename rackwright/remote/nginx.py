"""Nginx's configuration as the next reload would take it, the upstreams in it, and its age."""

from __future__ import annotations

import os
import re
import subprocess
import time
from pathlib import Path
from typing import Any

Values = dict[str, Any]
COMMENT = re.compile(r"(^|\s)#.*")
UPSTREAM = re.compile(r"\bupstream\s+([^\s{]+)\s*\{([^}]*)\}")
SERVER = re.compile(r"(?:^|[\s;])server\s+([^\s;]+)([^;]*);")
FILE = re.compile(r"^# configuration file (\S+):$", re.MULTILINE)


def configuration() -> Values:
    """``ok``, ``words`` of the test, ``upstreams``, and ``changed_unix_s`` of the newest file."""
    argv = ["nginx", "-T", "-q"]
    try:
        nginx = subprocess.run(argv, capture_output=True, text=True, errors="replace", check=False)
    except OSError as error:
        return {"ok": False, "words": str(error)}
    said = {"ok": nginx.returncode == 0, "words": nginx.stderr.strip()[-500:]}
    if not said["ok"]:
        return said
    files = [Path(path) for path in FILE.findall(nginx.stdout)]
    changed = [path.stat().st_mtime for path in files if path.exists()]
    return {**said, "upstreams": upstreams(nginx.stdout), "changed_unix_s": max(changed, default=0)}


def upstreams(text: str) -> dict[str, list[Values]]:
    """Servers of every upstream: ``address`` and ``options`` (``down``, ``max_fails=2``, ...)."""
    plain = "\n".join(COMMENT.sub("", line) for line in text.splitlines())
    return {
        name: [
            {"address": address, "options": options.split()}
            for address, options in SERVER.findall(block)
        ]
        for name, block in UPSTREAM.findall(plain)
    }


def loaded_unix_s(master: int) -> float | None:
    """When the newest worker was started: a reload replaces them all. None without a worker."""
    entries = Path("/proc").glob("[0-9]*") if master else ()
    starts_s = [_started_s(entry, master) for entry in entries]
    found = [started_s for started_s in starts_s if started_s is not None]
    uptime_s = float(Path("/proc/uptime").read_text().split()[0])
    return time.time() - uptime_s + max(found) if found else None


def _started_s(entry: Path, parent: int) -> float | None:
    """Seconds after boot at which a child of ``parent`` was started (fields 4 and 22, proc(5))."""
    try:
        fields = (entry / "stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    own = int(fields[1]) == parent
    return int(fields[19]) / os.sysconf("SC_CLK_TCK") if own else None

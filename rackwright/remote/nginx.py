"""Nginx's configuration as the next reload would take it, the upstreams in it, and its age."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Values = dict[str, Any]
TOKEN = re.compile(
    r"""#[^\n]*|"(?P<double>(?:[^"\\]|\\.)*)"|'(?P<single>(?:[^'\\]|\\.)*)'|(?P<end>[;{}])"""
    r"""|(?P<word>(?:\\.|\$\{|[^\s;{\\])+)""",
    re.DOTALL,
)
"""As Nginx cuts a file: ``#`` and quotes mean something only where a word would begin."""
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
    statements, found = _statements(text), {}
    for words, end in statements:
        if end == "{" and len(words) == 2 and words[0] == "upstream":
            found[words[1]] = list(_servers(statements))
    return found


def _servers(statements: Iterator[tuple[list[str], str]]) -> Iterator[Values]:
    """Those of the block that has just begun, up to its end; blocks inside it have none."""
    depth = 1
    for words, end in statements:
        if depth == 1 and end == ";" and words[:1] == ["server"] and words[1:]:
            yield {"address": words[1], "options": words[2:]}
        depth += {"{": 1, "}": -1}.get(end, 0)
        if not depth:
            return


def _statements(text: str) -> Iterator[tuple[list[str], str]]:
    """The words before each ``;``, ``{`` or ``}``, and which of them it was."""
    words: list[str] = []
    for token in TOKEN.finditer(text):
        if token["end"]:
            yield words, token["end"]
            words = []
        elif token.lastgroup:
            words.append(token[token.lastgroup])


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

"""Nginx's configuration as the next reload would take it, the upstreams in it, and its age."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from rackwright.remote.host.processes import all_pids, parent_and_start_s, uptime_s
from rackwright.remote.host.running import ended

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
    try:
        nginx = ended("nginx", "-T", "-q")
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
    starts_s = list(_starts_of_children(master)) if master else []
    return time.time() - uptime_s() + max(starts_s) if starts_s else None


def _starts_of_children(pid: int) -> Iterator[float]:
    for each in all_pids():
        with suppress(OSError):
            parent, start_s = parent_and_start_s(each)
            if parent == pid:
                yield start_s

"""Nginx's configuration as the next reload would take it, the limits in it, and its age."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from rackwright.remote.host.processes import all_pids, open_files, parent_and_start_s, uptime_s
from rackwright.remote.host.running import ended

Values = dict[str, Any]
TOKEN = re.compile(
    r"""#[^\n]*|"(?P<double>(?:[^"\\]|\\.)*)"|'(?P<single>(?:[^'\\]|\\.)*)'|(?P<end>[;{}])"""
    r"""|(?P<word>(?:\\.|\$\{|[^\s;{\\])+)""",
    re.DOTALL,
)
"""As Nginx cuts a file: ``#`` and quotes mean something only where a word would begin."""
LIMITS = ("worker_connections", "worker_rlimit_nofile")
"""Of each worker: how many connections it holds at once, and how many files it may open."""
FILE = re.compile(r"^# configuration file (\S+):$", re.MULTILINE)


def configuration(beside: Sequence[str] = ()) -> Values:
    """``ok``, ``words`` of the test, ``limits``, and ``changed_unix_s`` of the newest file.

    ``beside`` are files that it loads and does not tell of.
    """
    try:
        nginx = ended("nginx", "-T", "-q")
    except OSError as error:
        return {"ok": False, "words": str(error)}
    said = {"ok": nginx.returncode == 0, "words": nginx.stderr.strip()[-500:]}
    if not said["ok"]:
        return said
    files = [Path(path) for path in (*FILE.findall(nginx.stdout), *beside)]
    changed = [path.stat().st_mtime for path in files if path.exists()]
    return {
        **said,
        "limits": limits(nginx.stdout),
        "changed_unix_s": max(changed, default=0),
    }


def limits(text: str) -> dict[str, int]:
    """Those of ``LIMITS`` that are said, by name."""
    said = {words[0]: words[1] for words, _ in _statements(text) if len(words) == 2}
    return {name: int(said[name]) for name in LIMITS if said.get(name, "").isdigit()}


def with_limits(text: str, wanted: Mapping[str, int]) -> str:
    """The main file with other limits, and no other change. ValueError where they find no place."""
    for name, value in wanted.items():
        start, end, before, after = _place(text, name)
        text = f"{text[:start]}{before}{value}{after}{text[end:]}"
    return text


def _place(text: str, name: str) -> tuple[int, int, str, str]:
    """Where in the text a limit's value stands, or may be put, and with what around it."""
    words: list[re.Match[str]] = []
    events: tuple[int, int] | None = None
    depth = 0
    for token in TOKEN.finditer(text):
        if token["end"]:
            if [word.group() for word in words[:1]] == [name] and len(words) == 2:
                return (*words[1].span(), "", "")
            if token["end"] == "{" and [word.group() for word in words] == ["events"] and not depth:
                events = words[0].start(), token.end()
            depth += {"{": 1, "}": -1}.get(token["end"], 0)
            words = []
        elif token.lastgroup:
            words.append(token)
    if events is None:
        raise ValueError(f"it has no block `events`, so {name} cannot be put there")
    at, before = (events[1], "\n    ") if name == "worker_connections" else (events[0], "")
    return at, at, f"{before}{name} ", ";" if before else ";\n"


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
    starts_s = [start_s for _, start_s in _workers(master)]
    return time.time() - uptime_s() + max(starts_s) if starts_s else None


def worker_open_files(master: int) -> int | None:
    """How many files a worker may open, of the one that may the fewest. None without a worker."""
    seen = [open_files(pid) for pid, _ in _workers(master)]
    limits = [one["soft"] for one in seen if one and one["soft"].isdigit()]
    return min(map(int, limits), default=None)


def _workers(master: int) -> Iterator[tuple[int, float]]:
    """Pid and start (seconds after boot) of each child of Nginx's main process."""
    for each in all_pids() if master else ():
        with suppress(OSError):
            parent, start_s = parent_and_start_s(each)
            if parent == master:
                yield each, start_s

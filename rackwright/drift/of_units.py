"""Units beyond what their items say: drop-ins of others, and what the running process was given."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rackwright.causes.secrets import redacted
from rackwright.desired.items import File, Item, Unit
from rackwright.drift import kinds
from rackwright.drift.kinds import Drift
from rackwright.drift.unit_text import argv_of, environment_path_of, variables_of
from rackwright.remote.host.process_settings import digest

UNITS = "/etc/systemd/system/"
SYSTEMDS = frozenset(
    (
        *("LANG", "LANGUAGE", "PATH", "HOME", "LOGNAME", "USER", "SHELL", "TMPDIR"),
        *("INVOCATION_ID", "JOURNAL_STREAM", "SYSTEMD_EXEC_PID", "MANAGERPID", "MAINPID"),
        *("NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC"),
        *("LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"),
        *("RUNTIME_DIRECTORY", "STATE_DIRECTORY", "CACHE_DIRECTORY", "LOGS_DIRECTORY"),
        *("CONFIGURATION_DIRECTORY", "CREDENTIALS_DIRECTORY"),
        *("MEMORY_PRESSURE_WATCH", "MEMORY_PRESSURE_WRITE"),
    )
)
"""Variables that systemd gives a process by itself (systemd.exec(5)); those of locales, too."""
SHOWN = 6

Values = Mapping[str, Any]


@dataclass(frozen=True)
class Started:
    """What a unit's process is to be started with. ``secret`` are names that are never shown."""

    unit: str
    argv: tuple[str, ...]
    variables: Mapping[str, str]
    secret: frozenset[str] = frozenset()

    @property
    def shown(self) -> list[str]:
        """Names of variables whose values may be told."""
        return sorted({*self.variables} - self.secret)


def started_units(items: Sequence[Item], secret: frozenset[str]) -> list[Started]:
    """Of all units: what its file of ours says; nothing of one whose file is another's.

    ``secret`` are names of variables that hold keys.
    """
    texts = {one.key: one.content for one in items if isinstance(one, File)}
    return [_started(one.key, texts, secret) for one in items if isinstance(one, Unit)]


def _started(unit: str, texts: Mapping[str, bytes], secret: frozenset[str]) -> Started:
    text = texts.get(f"{UNITS}{unit}", b"").decode(errors="replace")
    environment = texts.get(environment_path_of(text) or "", b"").decode(errors="replace")
    return Started(unit, argv_of(text), variables_of(environment), secret)


def unit_drifts(
    host: str, started: Sequence[Started], told: Values, ours: frozenset[str], nonce: str
) -> Iterator[Drift]:
    """``told`` is of each unit, as ``remote/drift.py`` has it; ``ours`` are paths of our files."""
    for one in started:
        unit = told.get(one.unit) or {}
        for path in _dropped_in(one.unit, unit, ours):
            yield Drift(host, kinds.OVERRIDDEN, path, "a drop-in", None)
        process = unit.get("process")
        if process and one.argv:
            yield from _process(host, one, process, nonce)


def _dropped_in(name: str, unit: Values, ours: frozenset[str]) -> Iterator[str]:
    """Those for this unit alone, of an administrator's folders: not the distribution's."""
    for path in (unit.get("DropInPaths") or "").split():
        own = f"/{name}.d/" in path and path.startswith(("/etc/", "/run/"))
        if own and path not in ours:
            yield path


def _process(host: str, one: Started, process: Values, nonce: str) -> Iterator[Drift]:
    argv = process["argv"]
    if argv is not None and not _is_run_as(one.argv, argv):
        there, planned = _unlike(argv, one.argv), _unlike(one.argv, argv)
        yield Drift(host, kinds.PROCESS, one.unit, _words(there), _words(planned))
    if process["digests"] is not None:
        yield from _environment(host, one, process, nonce)


def _is_run_as(planned: Sequence[str], argv: Sequence[str]) -> bool:
    """Whether arguments are the planned; a script is run by what its first line names."""
    program, *arguments = planned
    count = len(arguments)
    head, tail = argv[: len(argv) - count], argv[len(argv) - count :]
    return list(tail) == arguments and program in head


def _unlike(words: Sequence[str], others: Sequence[str]) -> list[str]:
    """The words that the others do not have, each with the one before it: it is its option."""
    known = set(others)
    places = [at for at, word in enumerate(words) if word not in known]
    wanted = sorted({near for at in places for near in (at - 1, at) if near >= 1 or near == at})
    return [words[at] for at in wanted]


def _words(words: Sequence[str]) -> str | None:
    more = " ..." if len(words) > SHOWN else ""
    return redacted(" ".join(words[:SHOWN])) + more if words else "other words, or another order"


def _environment(host: str, one: Started, process: Values, nonce: str) -> Iterator[Drift]:
    found: Mapping[str, str] = process["digests"]
    for name, value in sorted(one.variables.items()):
        if found.get(name) != digest(value, nonce):
            there = "another value" if name in found else "not set"
            if name not in one.secret and (process["variables"] or {}).get(name) is not None:
                there = redacted(process["variables"][name])
            planned = "the planned key" if name in one.secret else redacted(value)
            yield Drift(host, kinds.PROCESS, f"{one.unit} {name}", there, planned)
    for name in sorted({*found} - {*one.variables} - SYSTEMDS):
        if not name.startswith("LC_"):
            yield Drift(host, kinds.PROCESS, f"{one.unit} {name}", "set", None)

"""What apt would install for some packages on a host that has nothing: each file, by digest."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from rackwright.remote.host.running import Failed, ended, in_english

NOTHING = ("-o", "Dir::State::status=/dev/null")
INSTALL = ("--print-uris", "-y", "-qq", "--no-install-recommends", "install")
_FILE = re.compile(r"^'[^']*' (\S+)_(\S+)_[^_ ]+\.deb (\d+) SHA256:([0-9a-f]{64})$")
_FIELD = re.compile(r"^(Label|Codename|Suite|Date): *(.*)$")

Values = dict[str, Any]


def closure(options: Sequence[str], names: Sequence[str]) -> dict[str, Values]:
    """Version, size and SHA-256 by name, of packages and all they need, libc and dpkg included.

    Raises Failed with apt's words where one of them cannot be had.
    """
    if not names:
        return {}
    digests = ("-o", "Acquire::ForceHash=SHA256")
    done = ended("apt-get", *options, *NOTHING, *digests, *INSTALL, *names, env=in_english())
    if done.returncode != 0:
        words = (line for line in done.stderr.splitlines() if line.startswith("E:"))
        raise Failed("; ".join(line[2:].strip() for line in words) or done.stderr[-500:])
    found = filter(None, map(_FILE.match, done.stdout.splitlines()))
    return {
        name: {"version": unquote(version), "size_bytes": int(size), "sha256": sha256}
        for name, version, size, sha256 in (match.groups() for match in found)
    }


def dates(lists: Path) -> dict[str, str]:
    """Of each archive that apt has an index of, when it was made: a snapshot of then has the same.

    By label and suite, ``Debian-Security bookworm-security``: mirrors of one are one.
    """
    found = {}
    for path in sorted((*lists.glob("*_InRelease"), *lists.glob("*_Release"))):
        with path.open(errors="replace") as lines:
            head = [_FIELD.match(line) for line, _ in zip(lines, range(40))]
        fields = {match[1]: match[2].strip() for match in head if match}
        name = f"{fields.get('Label', '')} {_suite(fields)}".strip()
        if "Date" in fields and name:
            found[name] = _utc(fields["Date"])
    return found


def _suite(fields: Values) -> str:
    """What never moves: Debian's codename, ``bookworm-updates``, and Ubuntu's suite."""
    suite, codename = fields.get("Suite", ""), fields.get("Codename", "")
    return str(suite if suite.startswith(codename) else codename)


def _utc(date: str) -> str:
    """``Wed, 25 Nov 2026 02:10:59 UTC`` -> ``20261125T021059Z``, as snapshots are called."""
    try:
        when = parsedate_to_datetime(date)
    except (TypeError, ValueError):
        return date
    if when.tzinfo is None:
        when = when.replace(tzinfo=timezone.utc)
    return datetime.strftime(when.astimezone(timezone.utc), "%Y%m%dT%H%M%SZ")

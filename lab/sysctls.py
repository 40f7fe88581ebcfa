"""Settings of this machine's kernel that the lab needs larger, and puts back as they were."""

from __future__ import annotations

from pathlib import Path

from lab.record import Record

LEAST = {
    "net/ipv4/ip_forward": 1,
    "fs/inotify/max_user_instances": 4096,
}
"""What each is at least while a lab is up.

Hosts share root's inotify instances with this machine: a host takes 7, and where none is left the
next host's systemd hangs without a word. Linux gives 128.
"""


def enlarge(record: Record) -> None:
    """Set what is too small, once it is noted what it was."""
    for name, least in LEAST.items():
        file = _file(name)
        if int(found := file.read_text()) < least:
            record.sysctls.setdefault(name, found.strip())
            record.save()
            file.write_text(str(least))


def put_back(record: Record) -> None:
    """Set all that was enlarged to what it was."""
    for name, value in record.sysctls.items():
        _file(name).write_text(value)


def _file(name: str) -> Path:
    return Path("/proc/sys") / name

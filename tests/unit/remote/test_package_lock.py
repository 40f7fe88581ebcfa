"""apt held to a lock: by what it says it would install, from a stand-in's words."""

from __future__ import annotations

from pathlib import Path

import pytest

from rackwright.remote.host.running import Failed
from rackwright.remote.items import package_lock
from rackwright.remote.items.package_lock import hold_to_lock, locked
from tests.samples.commands import Command

INSTALL = ["apt-get", "install", "-y", "nginx=1.22.1-9"]
PINS = """# Written by Rackwright: what `rackwright lock` locked of debian 12 amd64.

Package: nginx
Pin: version 1.22.1-9
Pin-Priority: 1000

Package: libssl3
Pin: version 3.0.22-1~deb12u2
Pin-Priority: 1000
"""


@pytest.fixture(autouse=True)
def pins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "rackwright-lock.pref"
    path.write_text(PINS)
    monkeypatch.setattr(package_lock, "PINS", path)
    return path


def simulated(command: Command, *lines: str) -> None:
    """apt-get says so where it is asked with -s, and nothing else is asked of it."""
    text = "\n".join(lines)
    command("apt-get", f"[ \"$1\" = -s ] || exit 9\ncat <<'END'\n{text}\nEND")


def test_pins_are_read_as_they_are_written() -> None:
    assert locked() == {"nginx": "1.22.1-9", "libssl3": "3.0.22-1~deb12u2"}


def test_what_is_locked_may_come_in(command: Command) -> None:
    simulated(
        command,
        "Inst libssl3 [3.0.21-1] (3.0.22-1~deb12u2 Debian-Security:12/oldstable [amd64]) []",
        "Inst nginx (1.22.1-9 Debian:12.15/oldstable [amd64])",
        "Conf nginx (1.22.1-9 Debian:12.15/oldstable [amd64])",
    )
    hold_to_lock(INSTALL)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("Inst nginx (1.22.1-10 Debian [amd64])", "nginx 1.22.1-10 (1.22.1-9 is locked)"),
        ("Inst nginx [1.2] (1.22.1-10 Debian [amd64])", "nginx 1.22.1-10 (1.22.1-9 is locked)"),
        ("Inst nginx-common (1.22.1-9 D [all])", "nginx-common 1.22.1-9 (nothing is locked)"),
        ("Inst libssl3:i386 (3.0.1 D [i386])", "libssl3 3.0.1 (3.0.22-1~deb12u2 is locked)"),
    ],
)
def test_what_is_not_locked_is_said_and_not_installed(
    command: Command, line: str, words: str
) -> None:
    simulated(command, line)
    with pytest.raises(Failed) as caught:
        hold_to_lock(INSTALL)
    assert f"not in the lock: {words}; nothing was installed" in str(caught.value)


def test_what_follows_a_hosts_kernel_is_no_locks(command: Command) -> None:
    simulated(command, "Inst linux-headers-6.1.0-44-amd64 (6.1.164-1 Debian [amd64])")
    hold_to_lock(INSTALL)


def test_many_are_counted(command: Command) -> None:
    simulated(command, *(f"Inst lib{number} (1 D [all])" for number in range(14)))
    with pytest.raises(Failed, match="and 4 more"):
        hold_to_lock(INSTALL)


def test_what_no_archive_has_any_more_is_said_with_what_to_do(command: Command) -> None:
    command("apt-get", "echo \"E: Version '1' for 'nginx' was not found\" >&2; exit 100")
    with pytest.raises(Failed, match=r"'nginx' was not found.*`rackwright lock` locks what"):
        hold_to_lock(INSTALL)


def test_without_a_lock_apt_is_not_asked(command: Command, pins: Path) -> None:
    pins.unlink()
    command("apt-get", "exit 9")
    hold_to_lock(INSTALL)

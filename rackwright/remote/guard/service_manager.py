"""systemd: told that the watchdog lives, asked how units are, told to restart one."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from rackwright.remote.host.running import Failed, run
from rackwright.remote.host.systemd import show

PROPERTIES = "ActiveState,InvocationID,ControlGroup,MainPID"
STARTS = Path("/run/rackwright-starts")


def tell(words: str) -> None:
    """By sd_notify(3); nothing where nobody listens."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
        name = f"\0{address[1:]}" if address.startswith("@") else address
        with suppress(OSError):
            line.sendto(words.encode(), name)


def units_now(units: Sequence[str]) -> list[dict[str, str]]:
    """State, start, control group and main process of each. OSError where it does not answer."""
    return show(PROPERTIES, *units) if units else []


def gave_up(unit: str) -> str:
    """Of a unit that failed: after how many starts that never became ready, if that is noted."""
    try:
        numbers = (STARTS / unit).read_text().split()
        failed, given_up = numbers[2], numbers[4]
    except (OSError, IndexError):
        return ""
    return f"gave up after {failed} starts that never became ready" if given_up == "1" else ""


def end_with_others(unit: str) -> None:
    """End a rank at once whose others are gone; it is started again without a delay of its own.

    Raises OSError with systemd's words.
    """
    with suppress(OSError):
        STARTS.mkdir(parents=True, exist_ok=True)
        (STARTS / f"{unit}.with-others").touch()
    run("systemctl", "kill", "--signal=KILL", unit)


def restart(unit: str) -> None:
    """End what hangs at once, for it would not hear a request to stop, and start it again.

    Raises OSError with systemd's words.
    """
    with suppress(Failed):
        run("systemctl", "kill", "--signal=KILL", unit)
    with suppress(Failed):
        run("systemctl", "reset-failed", unit)
    run("systemctl", "--no-block", "restart", unit)

"""Hosts interrupted one after another: their replicas stopped, the host rebooted, waited for."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pyinfra.api.exceptions import ConnectError
from pyinfra.api.host import Host
from pyinfra.connectors.local import LocalConnector

from rackwright.driver.facts import Facts
from rackwright.errors import HostError

REBOOT_TIMEOUT_S = 1800
"""Firmware of a server with much memory and eight GPUs may take a quarter of an hour."""
POLL_S = 5.0
_one_at_a_time = threading.Lock()
_failed: list[str] = []
"""Hosts of this run that were interrupted and did not come back well: none is after one."""


class Stopped(HostError):
    """The host cannot go on; the message says why, and what to do."""


@contextmanager
def turn(host: Host) -> Iterator[None]:
    """One host of the run at a time, and none after one that failed in its turn."""
    with _one_at_a_time:
        if _failed:
            raise Stopped(f"{host.name} was not interrupted: {_failed[0]} failed before it")
        try:
            yield
        except BaseException:
            _failed.append(host.name)
            raise


def may_reboot(host: Host, setting: str, reason: str) -> None:
    """Raise Stopped where a reboot, needed for that reason, is not ours to make."""
    if isinstance(host.connector, LocalConnector):
        raise Stopped(f"a reboot is needed ({reason}): reboot this machine, then run this again")
    if setting == "never":
        raise Stopped(
            f"a reboot is needed ({reason}), and group data says reboot = never: drain and reboot "
            f"{host.name}, then run this again; or set reboot to if-needed"
        )


def await_boot(host: Host, before: str, observe: Callable[[], Facts]) -> Facts:
    """The facts of a host once it has booted again; ``before`` is the boot it was in.

    Raises Stopped where it does not come back in time.
    """
    deadline = time.monotonic() + REBOOT_TIMEOUT_S
    while time.monotonic() < deadline:
        time.sleep(POLL_S)
        try:
            facts = observe()
            if facts.boot_id != before:
                return facts
        except (ConnectError, HostError, OSError):
            continue  # going down, or not up yet
    raise Stopped(f"{host.name} did not come back within {REBOOT_TIMEOUT_S} s: see its console")

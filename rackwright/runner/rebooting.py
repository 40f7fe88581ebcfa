"""Hosts interrupted one after another: their replicas stopped, the host rebooted, waited for."""

from __future__ import annotations

import time
from collections.abc import Callable

from pyinfra.api.exceptions import ConnectError
from pyinfra.api.host import Host
from pyinfra.connectors.local import LocalConnector

from rackwright.driver.facts import Facts
from rackwright.errors import HostError
from rackwright.runner.turns import Stopped, Turns

REBOOT_TIMEOUT_S = 1800
"""Firmware of a server with much memory and eight GPUs may take a quarter of an hour."""
POLL_S = 5.0
REBOOTS = Turns("interrupted")


def may_reboot(host: Host, setting: str, reason: str) -> None:
    """Raise Stopped where a reboot, needed for that reason, is not ours to make."""
    if isinstance(host.connector, LocalConnector):
        raise Stopped(f"a reboot is needed ({reason}): reboot this machine, then run this again")
    if setting == "never":
        raise Stopped(
            f"a reboot is needed ({reason}), and group data says reboot = never: "
            f"run `rackwright reboot INVENTORY {host.name}`, then this again; "
            "or set reboot to if-needed"
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

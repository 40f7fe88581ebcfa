"""Checks of any host, GPU server or gateway, from what ``remote/serving.py`` said of it.

A new check is one module with ``check(planned, seen)`` and one line in ``HOST_CHECKS``.
"""

from __future__ import annotations

from collections.abc import Callable

from rackwright.checks.results import CheckResult, Observation, PlannedHost
from rackwright.checks.system import clock, disk

HostCheck = Callable[[PlannedHost, Observation], CheckResult]

HOST_CHECKS: tuple[HostCheck, ...] = (clock.check, disk.check)

__all__ = ["HOST_CHECKS", "HostCheck"]

"""Checks of a GPU server's hardware and driver, from what ``rackwright/remote/probe.py`` saw of it.

A new check is one module with ``check(planned, probed)`` and one line in ``SERVER_CHECKS``.
"""

from __future__ import annotations

from collections.abc import Callable

from rackwright.checks.results import CheckResult, PlannedServer
from rackwright.checks.server import (
    driver,
    ecc,
    fabric,
    gpu_memory,
    gpus,
    links,
    mig,
    pcie,
    persistence,
    processes,
    throttling,
    xid,
)
from rackwright.checks.server.probed import Probed

ServerCheck = Callable[[PlannedServer, Probed], CheckResult]

SERVER_CHECKS: tuple[ServerCheck, ...] = (
    gpus.check,
    links.check,
    pcie.check,
    ecc.check,
    xid.check,
    throttling.check,
    mig.check,
    persistence.check,
    fabric.check,
    processes.check,
    gpu_memory.check,
)
"""Asked where the driver answers; where it does not, ``driver`` alone says so."""

__all__ = ["SERVER_CHECKS", "Probed", "ServerCheck", "driver"]

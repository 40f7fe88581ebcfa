"""The driver's stage: on servers whose driver is ours, and loaded for those alone."""

from __future__ import annotations

from collections.abc import Generator

from pyinfra.api.command import FunctionCommand
from pyinfra.api.operation import operation
from pyinfra.context import host

from rackwright.runner.fleet import FleetRun


@operation()
def converge_driver(fleet: FleetRun) -> Generator[FunctionCommand]:
    """Have the pinned driver installed, loaded and proven; a host that fails preflight is left."""
    if fleet.server is None:
        host.noop("not for this host")
        return
    if fleet.settings(host.name).driver_source == "none":
        host.noop("the driver is its provider's: only checked")
        return
    from rackwright.runner.driver import converged  # with all that is predicted, and what installs

    yield from converged(fleet)

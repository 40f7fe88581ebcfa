"""Operations that have releases on a host, beside the others."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from pyinfra.api.command import FunctionCommand
from pyinfra.api.operation import operation
from pyinfra.context import host

from rackwright.runner.fleet import FleetRun
from rackwright.runner.operations import unless_done
from rackwright.runner.wheels import RELEASE, have_releases, installed, request_of


@operation()
def engine_releases(fleet: FleetRun) -> Generator[FunctionCommand]:
    """Install the releases of a server's engines; they become live only by their units.

    Progress of the installer is shown. Wheels are taken from other servers that need them too.
    """
    request = request_of(fleet, host.name)
    yield from unless_done(RELEASE, request, "installing", lambda one: have_releases(fleet, one))


@operation()
def router_releases(request: dict[str, Any] | None) -> Generator[FunctionCommand]:
    """The same for the routers of a gateway; ``request`` is ``desired.engines.release_request``."""
    yield from unless_done(
        RELEASE,
        request,
        "installing",
        lambda one: installed(one, request or {}),
    )

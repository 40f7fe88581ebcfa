"""The manifest at the end of a run: looked at with the last items of a host, and written last."""

from __future__ import annotations

from collections.abc import Generator, Sequence

from pyinfra.api.command import FunctionCommand
from pyinfra.api.host import Host
from pyinfra.api.operation import operation
from pyinfra.context import host

from rackwright.desired.items import Item
from rackwright.desired.manifest import manifest
from rackwright.runner.fleet import FleetRun, note_items, this_fleet
from rackwright.runner.operations import apply, show
from rackwright.runner.steps.expected import expected
from rackwright.runner.steps.options import options
from rackwright.spec.settings import STAGES


def with_manifest(
    fleet: FleetRun, host: Host, items: Sequence[Item], also: Sequence[Item] = ()
) -> list[Item]:
    """``items``, and the manifest of all that this run has compared the host with.

    ``converge`` looks at it with them, and leaves it to ``write_manifest``. Without it where the
    run is not of the whole host: of some stages, of one service, or of a server that was left as it
    is. ``also`` are items that are compared before these.
    """
    note_items(host, [*also, *items])
    if not is_whole(fleet, host):
        return list(items)
    compared = fleet.items.get(host.name, {}).values()
    return [*items, manifest(host.name, fleet.spec, fleet.plan, compared)]


def is_whole(fleet: FleetRun, host: Host) -> bool:
    """Whether a run is of all stages that a host has, and leaves none of its replicas out."""
    settings = fleet.settings(host.name)
    without = {"verify"}
    if host.name not in fleet.spec.servers or settings.driver_source == "none":
        without |= {"driver"}
    known = expected(host.inventory)
    left = host.name in known.left or bool(known.stopped)
    whole = {*STAGES} - without <= settings.stage_names
    return whole and options().service is None and not left


@operation()
def write_manifest() -> Generator[FunctionCommand]:
    """Write it where it was found to differ; nobody is asked again."""
    change = this_fleet().manifests.get(host.name)
    if change is None:
        host.noop("as it is, or not of a whole run")
        return
    show(host, [change])
    yield FunctionCommand(apply, ([change],), {})

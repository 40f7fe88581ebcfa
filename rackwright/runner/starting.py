"""Changes made on a server whose last are starts: before those, seeds are taken."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from pyinfra.api.host import Host

from rackwright.desired import paths
from rackwright.desired.items import Change, Unit
from rackwright.errors import HostError
from rackwright.plan import Replica
from rackwright.runner.remote_call import call
from rackwright.runner.supplies import to_apply


def make_then_start(host: Host, changes: Sequence[Change], before: Callable[[], None]) -> None:
    """Make all changes; ``before`` is called between them and those that start units.

    Raises HostError with the host's words where one cannot be made.
    """
    starts = [change for change in changes if isinstance(change.item, Unit)]
    _apply(host, [change for change in changes if not isinstance(change.item, Unit)])
    if starts:
        before()
    _apply(host, starts)


def started_by(units: Sequence[Unit], replicas: Sequence[Replica]) -> list[Replica]:
    """The replicas whose units these are."""
    names = {unit.key for unit in units}
    return [replica for replica in replicas if paths.unit_name(replica) in names]


def _apply(host: Host, changes: Sequence[Change]) -> None:
    if changes:
        said: dict[str, Any] = call(host, "state", to_apply(host, changes), kind=dict)
        if error := said.get("error"):
            raise HostError(f"{host.name}: {error}")

"""The end of a run's steps: what became of each, and what no unit needs any more."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from pyinfra.api.host import Host

from rackwright.desired.items import Change, payload
from rackwright.errors import HostError
from rackwright.exits import tell
from rackwright.runner.remote_call import call
from rackwright.runner.steps.gates import Gates, States
from rackwright.runner.steps.marks import TROUBLE
from rackwright.runner.steps.order import Pending
from rackwright.runner.steps.summary import summary
from rackwright.runner.steps.view import View
from rackwright.runner.steps.work import Work


def tell_summary(
    view: View, gates: Gates, before: States, failed: Collection[str], untouched: Sequence[Pending]
) -> None:
    """The table of all steps, with what gateways count now."""
    try:
        now = gates.states()
    except TROUBLE:
        now = {}
    names = [one.name for one in untouched if not one.beside]
    tell(f"\n{summary(view, before, now, failed, names)}\n", err=True)


def finish(
    pending: Sequence[Pending], works: dict[str, Work], unwell: Collection[str]
) -> dict[str, Exception]:
    """What no unit needs any more goes, on servers where all steps have ended well.

    ``unwell`` are the steps that have not. Why, by name, of each server where it did not go.
    """
    spared = {host for one in pending if one.name in unwell for host in one.hosts}
    failed: dict[str, Exception] = {}
    for name in {host for one in pending for host in one.hosts}:
        work = works.pop(name, None)
        if work and name not in spared:
            try:
                apply_now(work.host, work.last)
            except TROUBLE as error:
                failed[name] = error
    return failed


def apply_now(host: Host, changes: list[Change]) -> None:
    """Make changes that start nothing. Raises HostError."""
    if changes:
        said = call(host, "state", {"do": "apply", "items": payload(changes)}, kind=dict)
        if error := said.get("error"):
            raise HostError(f"{host.name}: {error}")

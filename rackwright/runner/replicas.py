"""Replicas need one thing only the host knows: the UUIDs of its GPUs. Then they are plain items.

What interrupts nobody is made at once, on all servers. What serves is changed step by step after
that, when all servers have been looked at (``steps``).
"""

from __future__ import annotations

from collections.abc import Collection, Generator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pyinfra.api.command import FunctionCommand
from pyinfra.api.host import Host
from pyinfra.api.operation import operation
from pyinfra.context import host, state

from rackwright.checks.observed import part_of
from rackwright.desired import paths
from rackwright.desired.addresses import is_ip, own_name_fault
from rackwright.desired.items import Unit
from rackwright.errors import Fault, HostError, RackwrightError
from rackwright.runner.fleet import FleetRun, note_items, this_fleet
from rackwright.runner.looking import look
from rackwright.runner.operations import await_units, fail, refuse, show
from rackwright.runner.probing import gpu_names
from rackwright.runner.remote_call import LOOK_UP_S
from rackwright.runner.secrets import secret
from rackwright.runner.steps.expected import expected
from rackwright.runner.steps.options import options
from rackwright.runner.steps.work import Work, work_of
from rackwright.spec import ServerSpec

if TYPE_CHECKING:
    from rackwright.runner.steps.rollout import Rollout


@operation()
def converge_replicas() -> Generator[FunctionCommand]:
    """Compare all that the host is to have for its replicas; make what interrupts none of them.

    A host without replicas is asked only whether it had some.
    """
    fleet, lasting = this_fleet(), host.inventory.get_host(host.name)  # outlives this context
    try:
        work = prepared(fleet, lasting)
    except LeftAlone as words:
        expected(lasting.inventory).leave(lasting)
        host.log_styled(f"  {words}", fg="yellow")
        host.noop(str(words))
        return
    except RackwrightError as error:  # of what the host said of itself: other hosts go on
        yield refuse(str(error))
        return
    expected(lasting.inventory).expect(work)
    if not work.all_changes:
        host.noop(f"all {work.asked} items are as planned")
        return
    show(host, work.all_changes)
    if work.now:
        yield FunctionCommand(_make, (work,), {})
    elif state.is_executing:
        rollout(fleet).add(work)


class LeftAlone(HostError):
    """The server is no good: what is there stays as it is."""


@operation()
def step_through_replicas() -> Generator[FunctionCommand]:
    """Change the replicas that serve, and take away those that left the plan, one after another."""
    if expected(host.inventory).concerns(host):
        yield FunctionCommand(_step, (), {})
    else:
        host.noop("no replica that serves is to be changed")


def rollout(fleet: FleetRun) -> Rollout:
    """The steps of this run; loaded where there is something to change."""
    from rackwright.runner.steps.rollout import rollout_of

    return rollout_of(fleet, host.inventory, lambda other: prepared(fleet, other))


def _make(state: Any, host: Host, work: Work) -> bool:
    from rackwright.runner.seeds import said_by, take
    from rackwright.runner.starting import make_then_start, started_by
    from rackwright.runner.steps.at_once import tell_of_changed, tell_of_new
    from rackwright.runner.steps.marks import TROUBLE

    changes, gates = work.now, rollout(this_fleet()).gates
    try:
        tell_of_changed(work, gates)
        units = [c.item for c in changes if isinstance(c.item, Unit)]
        starting = started_by(units, work.planned)
        make_then_start(host, changes, lambda: take(host, starting, work.settings, said_by(host)))
        if not await_units(host, units):
            return False
        this_fleet().started.setdefault(host.name, set()).update(one.name for one in starting)
        if options().service:
            tell_of_new(work, gates)
    except TROUBLE as error:
        return fail(host, str(error) or type(error).__name__)
    rollout(this_fleet()).add(work)
    return True


def _step(state: Any, host: Host) -> bool:
    from rackwright.runner.steps.marks import TROUBLE

    try:
        faults = rollout(this_fleet()).carry_out(host)
    except TROUBLE as error:
        return fail(host, str(error) or type(error).__name__)
    return not faults or fail(host, "\n".join(faults), faults[0])


def prepared(fleet: FleetRun, host: Host) -> Work:
    """What differs on a host, with its GPUs by UUID.

    Raises RackwrightError in the host's words, LeftAlone where it is in quarantine.
    """
    replicas, settings = fleet.plan.on(host.name), fleet.settings(host.name)
    key = secret("key", settings.engine_api_key_env).get("key", "")
    if not replicas:
        return noted(work_of(host, (), settings, None, key, options().service))
    if fault := _fault_of_name(host, replicas[0].server, fleet.spec.gateways.keys()):
        raise HostError(str(fault))
    observed = gpu_names(host, paths.watchdog_dir(settings))
    if (told := part_of(observed, "quarantine")).get("there") is True:
        from rackwright.checks.server.quarantine import quarantine_words  # checks: others need none

        words = f"{host.name} is in quarantine, its replicas were left as they are"
        raise LeftAlone(f"{words}: {quarantine_words(told)}")
    uuids = [(gpu and gpu["uuid"]) or "" for gpu in observed["gpus"]]
    needed = {index for replica in replicas for index in replica.gpus}
    if absent := sorted(index for index in needed if index >= len(uuids) or not uuids[index]):
        raise HostError(_absent(host, absent, observed))
    try:
        only = options().service
        work = work_of(host, replicas, settings, uuids, key, only)
        if only and any(work.own.values()):
            from rackwright.runner.steps.places import require_room

            require_room(work, only)
        return noted(work)
    except RackwrightError as error:
        raise HostError(f"{host.name}: {error}") from None


def noted(work: Work) -> Work:
    """The same; what was compared is kept for the host's manifest."""
    note_items(work.host, work.compared)
    return work


def _fault_of_name(host: Host, server: ServerSpec, gateways: Collection[str]) -> Fault | None:
    """Of a server that is declared by a host name; engines listen where it leads to."""
    if is_ip(server.address):
        return None
    said = look(host, "names", [server.address], timeout_s=LOOK_UP_S, kind=dict)[server.address]
    return own_name_fault(server, said, reached=bool(set(gateways) - {server.name}))


def _absent(host: Host, absent: Sequence[int], observed: Mapping[str, object]) -> str:
    gpus = observed["gpus"]
    assert isinstance(gpus, list)
    why = observed.get("unavailable") or {}
    assert isinstance(why, dict)
    reason = f" ({why['nvml']})" if "nvml" in why else ""
    return (
        f"{host.name} shows {len(gpus)} GPU(s){reason}, but the plan uses index "
        f"{', '.join(map(str, absent))}: correct `gpus` in the inventory (`rackwright "
        "discover` prints it) or mend the server"
    )

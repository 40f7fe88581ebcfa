"""The NVIDIA driver on a host: predicted, installed stage by stage, rebooted into, proven."""

from __future__ import annotations

import time
from collections.abc import Collection, Generator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import click
from pyinfra.api.command import FunctionCommand
from pyinfra.api.exceptions import PyinfraError
from pyinfra.api.host import Host
from pyinfra.context import host

from rackwright.checks.results import CheckResult, Status
from rackwright.desired import paths
from rackwright.desired.items import Change, Item, Package, Unit, differences, query
from rackwright.driver.facts import Facts, Unknown
from rackwright.driver.offers import Offers
from rackwright.driver.outcome import disagreement, fabric_pending, reboot_reason
from rackwright.driver.packages import PINNING
from rackwright.driver.plan import DriverPlan, Unsupported, decide
from rackwright.driver.preflight import PREDICTIONS, Situation, predict
from rackwright.errors import HostError
from rackwright.locking.applied import locked_driver
from rackwright.report import results_text
from rackwright.runner.fleet import FleetRun, note_items
from rackwright.runner.interrupting import out_of_traffic
from rackwright.runner.judging import accepted
from rackwright.runner.looking import STATE, look
from rackwright.runner.operations import await_units, fail, refuse, show
from rackwright.runner.probing import probe
from rackwright.runner.rebooting import POLL_S, await_boot, may_reboot
from rackwright.runner.remote_call import call
from rackwright.runner.supplies import apt_of, to_apply
from rackwright.runner.turns import Stopped

ANSWER_TIMEOUT_S = 30
FABRIC_TIMEOUT_S = 300
WHY = "driver"


@dataclass(frozen=True)
class Outlook:
    """What a host's driver needs: the situation, and what differs, by stage and of units."""

    situation: Situation
    stages: tuple[tuple[str, tuple[Change, ...]], ...] = ()
    units: tuple[Change, ...] = ()

    @property
    def changes(self) -> list[Change]:
        """All that differs, in order."""
        return [change for _, changes in self.stages for change in changes] + list(self.units)

    @property
    def settled(self) -> bool:
        """Whether the host is as planned, and runs it."""
        plan, facts = self.situation.plan, self.situation.facts
        if plan is None or self.changes:
            return False
        return facts.module_version == plan.version and not reboot_reason(plan, facts)


def ask(host: Host, request: Mapping[str, Any], timeout_s: int | None = 600) -> Any:
    """One question to ``remote/driver.py``. Raises HostError where it has no answer."""
    return call(host, "driver", request, timeout_s=timeout_s)


def observed(host: Host, timeout_s: int = 600) -> Facts:
    """The host's facts now."""
    return Facts(ask(host, {"do": "observe"}, timeout_s))


def first_observed(host: Host) -> Facts:
    """The same, of a host to which nothing was done yet."""
    return Facts(look(host, "driver", {"do": "observe"}, timeout_s=600))


def outlook(host: Host, fleet: FleetRun) -> Outlook:
    """Facts, plan, differences, and what the archives offer where packages are to change.

    Raises HostError where the host gives no answer, or one that cannot be read.
    """
    server, settings = fleet.spec.servers[host.name], fleet.settings(host.name)
    situation = Situation(
        settings=settings,
        server=server,
        gpu=fleet.spec.gpu_of(server),
        facts=first_observed(host),
        others=fleet.spec.types_of(server)[1:],
        month=time.strftime("%Y-%m"),
        engines=frozenset(each.service.engine for each in fleet.plan.on(host.name)),
        our_units=frozenset(paths.unit_name(each) for each in fleet.plan.on(host.name)),
    )
    if situation.provided:
        return Outlook(situation)
    try:
        plan = decide(settings, server, situation.gpu, situation.facts, situation.others)
        plan = locked_driver(plan, fleet.lock, host.name)
    except (Unknown, Unsupported) as error:
        return Outlook(replace(situation, undecided=error))
    changes = {id(change.item): change for change in _differing(host, [*plan.items, *plan.units])}

    def of(items: Sequence[Item]) -> tuple[Change, ...]:
        return tuple(changes[id(item)] for item in items if id(item) in changes)

    stages = tuple((stage.name, of(stage.items)) for stage in plan.stages)
    return Outlook(_seen(host, replace(situation, plan=plan), plan, stages), stages, of(plan.units))


def _differing(host: Host, items: Sequence[Item]) -> list[Change]:
    note_items(host, items)
    request = {"do": "observe", "items": query(items)}
    seen = call(host, STATE, request, looks=True) if items else []
    return differences(items, seen)


def _seen(
    host: Host,
    situation: Situation,
    plan: DriverPlan,
    stages: Sequence[tuple[str, Sequence[Change]]],
) -> Situation:
    """The situation with what follows from the differences."""
    changed = [c.item for _, changes in stages for c in changes if isinstance(c.item, Package)]
    replaced = any(package.version for package in changed)
    interrupts = replaced or bool(reboot_reason(plan, situation.facts))
    situation = replace(situation, interrupts=interrupts)
    if not changed:
        return situation
    names = [package.key for package in plan.packages]
    request = {"sources": dict(plan.added), "names": names, "prefix": PINNING, "apt": apt_of(host)}
    return replace(situation, offers=Offers(ask(host, {"do": "look", **request})))


def converged(fleet: FleetRun) -> Generator[FunctionCommand]:
    """What ``driver_stage.converge_driver`` does on a server whose driver is ours."""
    try:
        found = outlook(host, fleet)
        if found.settled:
            host.noop(f"driver {fleet.settings(host.name).driver_version} is installed and loaded")
            return
    except HostError as error:
        yield refuse(f"{host.name} was not touched: {error}")
        return
    rows = accepted(predict(found.situation), fleet, PREDICTIONS)
    rows = [row for row in rows if row.status is not Status.OK]
    if grave := _forbidding(rows, decided=found.situation.plan is not None):
        words = f"{host.name} was not touched; preflight:\n{results_text(rows)}"
        what = "; ".join(f"{row.check}: {row.evidence}" for row in grave)
        yield refuse(words, f"not touched: {what}", "; ".join(row.remedy for row in grave))
        return
    _warn(rows)
    show(host, found.changes)
    yield FunctionCommand(_apply, (found, fleet), {})


def _forbidding(rows: Sequence[CheckResult], decided: bool) -> list[CheckResult]:
    """The rows that leave the host alone; without a plan to go on with, accepted ones too."""
    return [row for row in rows if (row.counts_as if decided else row.status) > Status.WARN]


def _warn(rows: Sequence[CheckResult]) -> None:
    for row in rows:
        words = f"{row.status_words}: " if row.accepted else ""
        host.log_styled(f"  {words}{row.check}: {row.evidence}. {row.remedy}", fg="yellow")


def _apply(state: Any, host: Host, found: Outlook, fleet: FleetRun) -> bool:
    """pyinfra calls it by these names."""
    assert found.situation.plan is not None
    try:
        _carry_out(host, found, found.situation.plan, fleet)
    except HostError as error:
        return fail(host, str(error))
    return True


def _carry_out(host: Host, found: Outlook, plan: DriverPlan, fleet: FleetRun) -> None:
    """Packages and files, a reboot where one is needed, the module, units, and the proof.

    What interrupts the host's replicas is done while they are out of traffic.
    """
    situation = found.situation
    users, ours = situation.facts.users, situation.our_units
    serving = sorted({unit for process in users for unit in process.units & ours})
    if serving and situation.interrupts:
        may_reboot(host, situation.settings.reboot, "replicas use the driver")
        out_of_traffic(fleet, host, WHY, lambda: _replace(host, found, plan, serving))
        return
    facts = _change(host, found)
    if reason := reboot_reason(plan, facts):
        may_reboot(host, situation.settings.reboot, reason)
        interrupt = partial(_boot_into, host, found.situation, plan, reason)
        out_of_traffic(fleet, host, WHY, interrupt)
    else:
        _run(host, plan, facts)


def _replace(host: Host, found: Outlook, plan: DriverPlan, serving: Sequence[str]) -> None:
    """Of a driver that is in use: what uses it ends before."""
    situation = found.situation
    _say(host, f"stopping {', '.join(serving)}: they finish what they are answering")
    try:
        ask(host, {"do": "stop", "units": serving}, timeout_s=None)
        facts = _change(host, found)
        if reason := reboot_reason(plan, facts):
            may_reboot(host, situation.settings.reboot, reason)
            _boot_into(host, situation, plan, reason)
        else:
            _run(host, plan, facts)
    except HostError:  # what failed may have left a driver that works
        with suppress(HostError, PyinfraError):
            ask(host, {"do": "start", "units": serving})
        raise
    ask(host, {"do": "start", "units": serving})


def _change(host: Host, found: Outlook) -> Facts:
    for name, changes in found.stages:
        if changes:
            _say(host, f"{name}: {len(changes)} to change")
            _make(host, changes)
    return observed(host)


def _boot_into(host: Host, situation: Situation, plan: DriverPlan, reason: str) -> None:
    _say(host, f"rebooting: {reason}")
    facts = rebooted(host, situation.our_units)
    _say(host, "is back")
    _run(host, plan, facts)


def _run(host: Host, plan: DriverPlan, facts: Facts) -> None:
    if facts.module_version is None:
        _load(host, plan)
    _bring_up(host, plan.units)
    _prove(host, plan)


def _make(host: Host, changes: Sequence[Change]) -> None:
    reply = call(host, STATE, to_apply(host, changes))
    if error := reply.get("error"):
        raise Stopped(str(error))


def rebooted(host: Host, units: Collection[str]) -> Facts:
    """A host's facts after a reboot, before which these units are stopped as they want to be.

    Raises Stopped where it does not come back.
    """
    before = ask(host, {"do": "reboot", "units": sorted(units)}, timeout_s=None)["boot_id"]
    return await_boot(host, before, lambda: observed(host, ANSWER_TIMEOUT_S))


def _load(host: Host, plan: DriverPlan) -> None:
    reply = ask(host, {"do": "load", "build": plan.builds}, timeout_s=None)
    if not reply["ok"]:
        words = f"the kernel module of driver {plan.version} could not be loaded: {reply['words']}"
        raise Stopped("\n".join([words, *reply["log"]]))


def _bring_up(host: Host, units: Sequence[Unit]) -> None:
    if changes := _differing(host, units):
        _make(host, changes)
    if not await_units(host, [change.item for change in changes if isinstance(change.item, Unit)]):
        raise Stopped("the driver is loaded, and its units did not start")


def _prove(host: Host, plan: DriverPlan) -> None:
    """Module, library and pin are of one version, and the fabric is completed."""
    deadline = time.monotonic() + FABRIC_TIMEOUT_S
    seen = probe(host)
    while plan.fabric and (pending := fabric_pending(seen)):
        if time.monotonic() > deadline:
            raise Stopped(_with_log(host, f"the fabric is not completed: {pending}"))
        time.sleep(POLL_S)
        seen = probe(host)
    facts = observed(host)
    if words := reboot_reason(plan, facts) or disagreement(plan, facts, seen):
        raise Stopped(_with_log(host, words))
    _say(host, f"driver {plan.version}: loaded module, library and pin agree")


def _with_log(host: Host, words: str) -> str:
    return "\n".join([words, *ask(host, {"do": "why"})["log"]])


def _say(host: Host, words: str) -> None:
    host.log(f"  {click.style('~', 'yellow')} {words}")

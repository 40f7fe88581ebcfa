"""The NVIDIA driver on a host: predicted, installed stage by stage, rebooted into, proven."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any

import click
from pyinfra.api.command import FunctionCommand
from pyinfra.api.exceptions import ConnectError
from pyinfra.api.host import Host
from pyinfra.api.operation import operation
from pyinfra.connectors.local import LocalConnector
from pyinfra.context import host

from rackwright.catalog import gpu_types
from rackwright.checks.results import CheckResult, Status
from rackwright.desired import paths
from rackwright.desired.items import Change, Package, differences, payload, query
from rackwright.driver.facts import Facts, Unknown
from rackwright.driver.offers import Offers
from rackwright.driver.outcome import disagreement, fabric_pending, reboot_reason
from rackwright.driver.packages import PINNING
from rackwright.driver.plan import DriverPlan, Unsupported, decide
from rackwright.driver.preflight import Situation, predict
from rackwright.report import results_text
from rackwright.runner.fleet import Fleet
from rackwright.runner.operations import STATE, _await_units, _show, refuse
from rackwright.runner.probing import probe
from rackwright.runner.remote_call import HostError, call, source_of

DRIVER = "runner/remote/driver"
REBOOT_TIMEOUT_S = 1800
FABRIC_TIMEOUT_S = 300
ANSWER_TIMEOUT_S = 30
POLL_S = 5.0
_one_at_a_time = threading.Lock()
_failed: list[str] = []
"""Hosts of this run whose driver did not come up again: no other host is interrupted after one."""


class Stopped(Exception):
    """The host cannot go on; the message says why, and what to do."""


@dataclass(frozen=True)
class Outlook:
    """What a host's driver needs: the situation, and what differs, by stage."""

    at: Situation
    changes: tuple[tuple[Change, ...], ...] = ()
    units: tuple[Change, ...] = ()

    @property
    def plan(self) -> DriverPlan:
        """The plan; there is one wherever something is to change."""
        assert self.at.plan is not None
        return self.at.plan

    @property
    def everything(self) -> list[Change]:
        """All that differs, in order."""
        return [change for stage in self.changes for change in stage] + list(self.units)

    @property
    def settled(self) -> bool:
        """Whether the host is as planned, and runs it."""
        facts = self.at.facts
        runs = facts.module_version == self.plan.version and not reboot_reason(self.plan, facts)
        return not self.everything and runs

    def rows(self) -> list[CheckResult]:
        """Every prediction."""
        return predict(self.at)


def ask(target: Host, request: Mapping[str, Any], timeout_s: int | None = 600) -> Any:
    """One question to ``runner/remote/driver.py``. Raises HostError where it has no answer."""
    libraries = {"rackwright_probe": source_of("probe")}
    return call(target, DRIVER, request, libraries=libraries, timeout_s=timeout_s)


def outlook(target: Host, fleet: Fleet) -> Outlook:
    """Facts, plan, differences, and what the archives offer where packages are to change.

    Raises HostError where the host gives no answer.
    """
    server, settings = fleet.spec.servers[target.name], fleet.settings(target.name)
    at = Situation(
        settings=settings,
        server=server,
        gpu=gpu_types()[server.gpus.type],
        facts=Facts(ask(target, {"do": "observe"})),
        month=time.strftime("%Y-%m"),
        our_units=frozenset(paths.unit_name(each) for each in fleet.plan.on(target.name)),
    )
    if at.provided:
        return Outlook(at)
    try:
        plan = decide(settings, server, at.gpu, at.facts)
    except (Unknown, Unsupported) as error:
        return Outlook(replace(at, undecided=str(error)))
    at = replace(at, plan=plan)
    return _compared(target, at, plan)


def _compared(target: Host, at: Situation, plan: DriverPlan) -> Outlook:
    items = [*plan.items, *plan.units]
    seen = call(target, STATE, {"do": "observe", "items": query(items)})
    found = {id(change.item): change for change in differences(items, seen)}
    stages = [[found[id(i)] for i in s.items if id(i) in found] for s in plan.stages]
    changes = tuple(tuple(stage) for stage in stages)
    units = tuple(found[id(unit)] for unit in plan.units if id(unit) in found)
    if any(isinstance(c.item, Package) for stage in changes for c in stage):
        names = [package.key for package in plan.packages]
        request = {"sources": dict(plan.added), "names": names, "prefix": PINNING}
        at = replace(at, offers=Offers(ask(target, {"do": "look", **request})))
    return Outlook(at, changes, units)


@operation()
def converge_driver(fleet: Fleet) -> Generator[FunctionCommand]:
    """Have the pinned driver installed, loaded and proven; a host that fails preflight is left."""
    if fleet.server is None:
        host.noop("not for this host")
        return
    if fleet.settings(host.name).driver_source == "none":
        host.noop("the driver is its provider's: only checked")
        return
    try:
        found = outlook(host, fleet)
        rows = [] if found.at.plan and found.settled else found.rows()
    except (HostError, Unknown) as error:
        yield refuse(str(error))
        return
    if any(row.status in (Status.CRITICAL, Status.UNKNOWN) for row in rows):
        yield refuse(_refusal(rows))
        return
    if not rows:
        host.noop(f"driver {found.plan.version} is installed and loaded")
        return
    for row in rows:
        if row.status is Status.WARN:
            host.log_styled(f"  {row.check}: {row.evidence}. {row.remedy}", fg="yellow")
    _show(host, found.everything)
    yield FunctionCommand(_apply, (found,), {})


def _refusal(rows: Sequence[CheckResult]) -> str:
    bad = [row for row in rows if row.status is not Status.OK]
    return f"{host.name} was not touched; preflight:\n{results_text(bad)}"


def _apply(state: Any, host: Host, found: Outlook) -> bool:
    try:
        with ExitStack() as turn:
            _carry_out(host, found, turn)
    except (HostError, Stopped, Unknown) as error:
        host.log_styled(str(error), fg="red")
        return False
    return True


@contextmanager
def _turn(target: Host) -> Iterator[None]:
    """One host of the run at a time; none after one that did not come back well."""
    with _one_at_a_time:
        if _failed:
            raise Stopped(f"{target.name} was not interrupted: {_failed[0]} failed before it")
        try:
            yield
        except BaseException:
            _failed.append(target.name)
            raise


def _carry_out(target: Host, found: Outlook, turn: ExitStack) -> None:
    plan, at = found.plan, found.at
    serving = sorted({unit for process in at.facts.users for unit in process.units & at.our_units})
    if serving:
        turn.enter_context(_turn(target))
        _say(target, f"stopping {', '.join(serving)}: they finish what they are answering")
        ask(target, {"do": "stop", "units": serving}, timeout_s=None)
    for stage, changes in zip(plan.stages, found.changes, strict=True):
        if changes:
            _say(target, f"{stage.name}: {len(changes)} to change")
            _make(target, changes)
    facts = Facts(ask(target, {"do": "observe"}))
    if reason := reboot_reason(plan, facts):
        if not serving:
            turn.enter_context(_turn(target))
        facts = _rebooted(target, at, reason)
    if facts.module_version is None:
        _load(target, plan)
    units = found.units or tuple(_compared(target, at, plan).units)
    _make(target, units)
    if not _await_units(target, [unit.item for unit in units if unit.item in plan.units]):
        raise Stopped("the driver's units did not start")
    _prove(target, plan)


def _make(target: Host, changes: Sequence[Change]) -> None:
    if not changes:
        return
    reply = call(target, STATE, {"do": "apply", "items": payload(changes)})
    if error := reply.get("error"):
        raise Stopped(str(error))


def _rebooted(target: Host, at: Situation, reason: str) -> Facts:
    """The facts after a reboot, where one is allowed."""
    if isinstance(target.connector, LocalConnector):
        raise Stopped(f"a reboot is needed ({reason}): reboot this machine, then run this again")
    if at.settings.reboot == "never":
        raise Stopped(
            f"a reboot is needed ({reason}), and group data says reboot = never: drain and reboot "
            f"{target.name}, then run this again; or set reboot to if-needed"
        )
    _say(target, f"rebooting: {reason}")
    before = ask(target, {"do": "reboot", "units": sorted(at.our_units)})["boot_id"]
    deadline = time.monotonic() + REBOOT_TIMEOUT_S
    while time.monotonic() < deadline:
        time.sleep(POLL_S)
        try:
            facts = Facts(ask(target, {"do": "observe"}, timeout_s=ANSWER_TIMEOUT_S))
            if facts.boot_id != before:
                _say(target, "is back")
                return facts
        except (ConnectError, HostError, Unknown, OSError):
            continue  # going down, or not up yet
    raise Stopped(f"{target.name} did not come back within {REBOOT_TIMEOUT_S} s: see its console")


def _load(target: Host, plan: DriverPlan) -> None:
    reply = ask(target, {"do": "load"})
    if not reply["ok"]:
        words = f"the kernel module of driver {plan.version} could not be loaded: {reply['words']}"
        raise Stopped("\n".join([words, *reply["log"]]))


def _prove(target: Host, plan: DriverPlan) -> None:
    """Module, library and pin are of one version, and the fabric is completed."""
    deadline = time.monotonic() + FABRIC_TIMEOUT_S
    seen = probe(target)
    while plan.fabric and (pending := fabric_pending(seen)):
        if time.monotonic() > deadline:
            raise Stopped(_with_log(target, f"the fabric is not completed: {pending}"))
        time.sleep(POLL_S)
        seen = probe(target)
    facts = Facts(ask(target, {"do": "observe"}))
    if words := reboot_reason(plan, facts) or disagreement(plan, facts, seen):
        raise Stopped(_with_log(target, words))
    _say(target, f"driver {plan.version}: loaded module, library and pin agree")


def _with_log(target: Host, words: str) -> str:
    return "\n".join([words, *ask(target, {"do": "why"})["log"]])


def _say(target: Host, words: str) -> None:
    target.log(f"  {click.style('~', 'yellow')} {words}")

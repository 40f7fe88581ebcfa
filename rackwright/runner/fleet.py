"""The fleet of this run: its spec and plan, made once from pyinfra's inventory."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakKeyDictionary

from pyinfra.api.exceptions import DeployError
from pyinfra.api.host import Host
from pyinfra.api.inventory import Inventory
from pyinfra.context import host as current_host

from rackwright.checks.results import CheckResult
from rackwright.clients import Clients
from rackwright.errors import PlanError, RackwrightError, SpecError
from rackwright.exits import tell
from rackwright.inventory.project_files import project_file_faults
from rackwright.inventory.reading import load_fleet
from rackwright.inventory.rules.accepted import subject_faults
from rackwright.parts import pause
from rackwright.plan import FleetPlan, Replica, Router
from rackwright.planning.firewall import Firewall, firewall_of
from rackwright.planning.placing import plan
from rackwright.planning.watchdogs import watchdog_port_of
from rackwright.report import plan_text
from rackwright.runner.clients import clients_of
from rackwright.runner.host_by_host import order_fault
from rackwright.runner.host_data import host_data, jump_faults, pyinfra_keys
from rackwright.runner.inventory_file import file_faults
from rackwright.runner.progress import heard_first
from rackwright.runner.secrets import require_secrets
from rackwright.runner.ssh_ports import ssh_port_faults
from rackwright.spec import FleetSpec, GatewaySpec, ServerSpec, Settings

if TYPE_CHECKING:  # what is locked and bundled is loaded where that is asked: a plan needs none
    from rackwright.desired.items import Change, Item
    from rackwright.locking import Lock
    from rackwright.locking.applied import LockedFiles

MOST_CHARACTERS = 500
"""Of what is said of a failure in the report; the run's own output has all of it."""


class StageFailure(NamedTuple):
    """What ended a host's run: the operation's name, what failed, and what to do about it."""

    stage: str
    what: str
    remedy: str


@dataclass
class FleetRun:
    """Spec and plan of all hosts, and what this run has observed of them so far.

    ``clients`` may come in by the gateways; they are read for those who take secrets to hosts. What
    is installed is held to the ``lock``, which is read for those who install, where there is one.
    ``supplied``: lock and bundle, where there are some, have what hosts are to get.
    ``items`` are those that each host was compared with, by kind and key: what it is to have.
    ``manifests`` are those that are to be written, by host.
    ``failed`` has the hosts that a stage refused to go on with, and why; ``started`` the replicas
    that it started on each and that are not proven yet.
    """

    spec: FleetSpec
    plan: FleetPlan
    clients: Clients = field(default_factory=dict)
    lock: Lock | None = None
    observations: dict[str, dict[str, Any]] = field(default_factory=dict)
    items: dict[str, dict[tuple[str, str], Item]] = field(default_factory=dict)
    manifests: dict[str, Change] = field(default_factory=dict)
    failed: dict[str, StageFailure] = field(default_factory=dict)
    results: list[CheckResult] = field(default_factory=list)
    judged: frozenset[str] = frozenset()
    started: dict[str, set[str]] = field(default_factory=dict)
    shown: bool = False
    supplied: bool = False

    def settings(self, name: str) -> Settings:
        """Group data of one host, as it is locked."""
        settings = self.spec.settings[name]
        if self.lock is None:
            return settings
        from rackwright.locking.applied import locked_settings

        return locked_settings(settings, self.lock, name)

    def wants(self, stage: str) -> bool:
        """Whether the current host is to go through a stage (``--data stages=engines,gateway``)."""
        return stage in self.settings(current_host.name).stage_names

    def driver_version(self, name: str) -> str | None:
        """Of the driver that is installed on a host; None where that is not ours to do."""
        from rackwright.locking.applied import driver_version

        return driver_version(name, self.spec)

    def locked(self, name: str, items: Sequence[Item]) -> list[Item]:
        """Items of a host, its packages as they are locked."""
        from rackwright.locking.applied import locked_items

        return locked_items(items, self.lock, name, self.driver_version(name))

    def locked_files(self, replica: Replica) -> LockedFiles:
        """The files of the model that a replica serves, where they are locked."""
        from rackwright.locking.applied import locked_files

        return locked_files(replica, self.lock)

    @property
    def of_apt(self) -> list[Item]:
        """What apt on the current host may install and has it from; and what is older there."""
        from rackwright.locking.applied import of_apt

        name = current_host.name
        url = self.spec.settings[name].apt_snapshot
        return of_apt(self.lock, name, self.driver_version(name), url)

    @property
    def server(self) -> ServerSpec | None:
        """The current host as a GPU server; None when it is not one."""
        return self.spec.servers.get(current_host.name)

    @property
    def gateway(self) -> GatewaySpec | None:
        """The current host as a gateway; None when it is not one."""
        return self.spec.gateways.get(current_host.name)

    @property
    def firewall(self) -> Firewall | None:
        """Who may come in on the current host; None where that is not ours to say."""
        return firewall_of(current_host.name, self.spec, self.plan)

    @cached_property
    def watchdogs(self) -> dict[str, int]:
        """The port of each server's watchdog that has one, by name."""
        ports = {name: watchdog_port_of(name, self.spec, self.plan) for name in self.spec.servers}
        return {name: port for name, port in ports.items() if port is not None}

    @property
    def shares_address(self) -> bool:
        """Whether the current host is one of the gateways that hold addresses in turn."""
        failover = self.spec.failover
        return bool(failover and failover.shares and current_host.name in failover.gateways)

    @property
    def replicas(self) -> tuple[Replica, ...]:
        """The replicas planned on the current host."""
        return self.plan.on(current_host.name)

    @property
    def routers(self) -> tuple[Router, ...]:
        """The routers planned on the current host."""
        return self.plan.routers_on(current_host.name)


_fleets: WeakKeyDictionary[Inventory, FleetRun] = WeakKeyDictionary()


def fleet_of(inventory: Inventory) -> FleetRun:
    """Spec and plan of an inventory, made on the first call.

    Raises SpecError or PlanError with every fault found.
    """
    if inventory not in _fleets:
        known = chain(file_faults(inventory), jump_faults(inventory))
        pause()
        hosts = host_data(inventory)
        pause()
        spec = load_fleet(hosts, pyinfra_keys(), known)
        pause()
        if faulty := list(project_file_faults(spec)):
            raise SpecError(faulty)
        pause()
        planned = plan(spec)
        pause()
        if unknown := list(subject_faults(spec, planned)):
            raise SpecError(unknown)
        if taken := list(ssh_port_faults(inventory, spec, planned)):
            raise PlanError(taken)
        _fleets[inventory] = FleetRun(spec, planned)
    return _fleets[inventory]


def fleet_with_secrets(inventory: Inventory) -> FleetRun:
    """The same, for those who take secrets to hosts: every one that settings name is there.

    With the clients of the gateways. Raises SpecError with what is wrong with them, before a host
    is touched.
    """
    fleet = fleet_of(inventory)
    require_secrets(fleet.spec)
    fleet.clients = clients_of(inventory, fleet.spec)
    return fleet


def fleet_with_lock(inventory: Inventory) -> FleetRun:
    """The same, with the lock of what may be installed, where there is one.

    Raises SpecError with what is declared and not locked.
    """
    from rackwright.runner.locked import lock_of

    fleet = fleet_with_secrets(inventory)
    if not fleet.supplied:  # once a run: each task of each host asks for the fleet
        fleet.lock = lock_of(inventory, fleet.spec, fleet.plan)
    return fleet


def fleet_to_deploy(inventory: Inventory) -> FleetRun:
    """The same, for those who install.

    Raises SpecError with what is declared and not locked, or not in the bundle that it is to come
    from, before a host is touched.
    """
    fleet = fleet_with_lock(inventory)
    if not fleet.supplied:
        if any(settings.bundle for settings in fleet.spec.settings.values()):
            from rackwright.runner.bundle_faults import bundle_faults

            if absent := list(bundle_faults(fleet.spec, fleet.plan, fleet.lock)):
                raise SpecError(absent, "in the bundle; no host was touched")
        fleet.supplied = True
    return fleet


def as_locked(host: Host, items: Sequence[Item]) -> list[Item]:
    """Items that a host is to have, its packages as the lock of its fleet has them."""
    fleet = _fleets.get(host.inventory)
    return fleet.locked(host.name, items) if fleet else list(items)


def settings_of(host: Host) -> Settings | None:
    """Group data of a host of a fleet that was judged; None of another's."""
    fleet = _fleets.get(host.inventory)
    return fleet.settings(host.name) if fleet else None


def note_failure(host: Host, what: str, remedy: str) -> None:
    """Keep why a host does not go on, for the report; the first word on it counts."""
    fleet = _fleets.get(host.inventory)
    if fleet is not None:
        from rackwright.causes.secrets import redacted  # of failures alone

        short = " ".join(redacted(what).split())[:MOST_CHARACTERS]
        fleet.failed.setdefault(host.name, StageFailure(_operation(host), short, remedy))


def note_items(host: Host, items: Iterable[Item]) -> None:
    """Keep what a host is compared with, for its manifest at the end of the run."""
    fleet = _fleets.get(host.inventory)
    if fleet is not None:
        known = fleet.items.setdefault(host.name, {})
        known.update({(item.kind, item.key): item for item in items})


def without_manifest(host: Host, items: Iterable[Item], found: list[Change]) -> list[Change]:
    """What was found to differ but for the manifest, which is kept: it is written last of all."""
    from rackwright.desired.items import Manifest

    fleet = _fleets.get(host.inventory)
    if fleet is not None and any(isinstance(item, Manifest) for item in items):
        fleet.manifests.pop(host.name, None)
        for change in found:
            if isinstance(change.item, Manifest):
                fleet.manifests[host.name] = change
    return [change for change in found if not isinstance(change.item, Manifest)]


def _operation(host: Host) -> str:
    """The name of what the host is doing: ``Replicas | Units and environment files``."""
    operation = host.state.op_meta.get(host.executing_op_hash or "")
    return ", ".join(sorted(operation.names)) if operation else "a stage without a name"


def this_fleet() -> FleetRun:
    """The fleet of the running deploy; its plan is printed once.

    Raises pyinfra's DeployError when the inventory is faulty, which pyinfra shows as one message.
    """
    try:
        fleet = fleet_to_deploy(current_host.inventory)
    except RackwrightError as error:
        raise DeployError(str(error)) from None
    if why := order_fault(sys.argv, fleet.spec):
        raise DeployError(why)
    if not fleet.shown:
        fleet.shown = True
        heard_first()
        tell(f"\n{plan_text(fleet.plan)}\n", err=True)
    return fleet

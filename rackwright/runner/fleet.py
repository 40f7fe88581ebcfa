"""The fleet of this run: its spec and plan, made once from pyinfra's inventory."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from pyinfra.api.exceptions import DeployError
from pyinfra.api.host import Host
from pyinfra.api.inventory import Inventory
from pyinfra.context import host as current_host

from rackwright.causes.secrets import redacted
from rackwright.checks.results import CheckResult
from rackwright.clients import Clients
from rackwright.errors import PlanError, RackwrightError, SpecError
from rackwright.exits import tell
from rackwright.inventory.project_files import project_file_faults
from rackwright.inventory.reading import load_fleet
from rackwright.inventory.rules.accepted import subject_faults
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

    ``clients`` may come in by the gateways; they are read for those who take secrets to hosts.
    ``failed`` has the hosts that a stage refused to go on with, and why.
    """

    spec: FleetSpec
    plan: FleetPlan
    clients: Clients = field(default_factory=dict)
    observations: dict[str, dict[str, Any]] = field(default_factory=dict)
    failed: dict[str, StageFailure] = field(default_factory=dict)
    results: list[CheckResult] = field(default_factory=list)
    judged: frozenset[str] = frozenset()
    shown: bool = False

    def settings(self, name: str) -> Settings:
        """Group data of one host."""
        return self.spec.settings[name]

    def wants(self, stage: str) -> bool:
        """Whether the current host is to go through a stage (``--data stages=engines,gateway``)."""
        return stage in self.settings(current_host.name).stage_names

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

    @property
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
        spec = load_fleet(host_data(inventory), pyinfra_keys(), known)
        if faulty := list(project_file_faults(spec)):
            raise SpecError(faulty)
        planned = plan(spec)
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


def note_failure(host: Host, what: str, remedy: str) -> None:
    """Keep why a host does not go on, for the report; the first word on it counts."""
    fleet = _fleets.get(host.inventory)
    if fleet is not None:
        short = " ".join(redacted(what).split())[:MOST_CHARACTERS]
        fleet.failed.setdefault(host.name, StageFailure(_operation(host), short, remedy))


def _operation(host: Host) -> str:
    """The name of what the host is doing: ``Replicas | Units and environment files``."""
    operation = host.state.op_meta.get(host.executing_op_hash or "")
    return ", ".join(sorted(operation.names)) if operation else "a stage without a name"


def this_fleet() -> FleetRun:
    """The fleet of the running deploy; its plan is printed once.

    Raises pyinfra's DeployError when the inventory is faulty, which pyinfra shows as one message.
    """
    try:
        fleet = fleet_with_secrets(current_host.inventory)
    except RackwrightError as error:
        raise DeployError(str(error)) from None
    if why := order_fault(sys.argv, fleet.spec):
        raise DeployError(why)
    if not fleet.shown:
        fleet.shown = True
        heard_first()
        tell(f"\n{plan_text(fleet.plan)}\n", err=True)
    return fleet

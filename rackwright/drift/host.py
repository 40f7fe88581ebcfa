"""A host of a plan, and what is known of it: what its items are computed from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rackwright.desired.addresses import named_addresses
from rackwright.desired.gateway_keys import NO_KEYS, KeyFiles
from rackwright.desired.items import Item
from rackwright.engines import ENGINES
from rackwright.locking import Lock
from rackwright.locking.applied import driver_version, locked_items, locked_settings, of_apt
from rackwright.plan import FleetPlan, Replica
from rackwright.planning.firewall import Firewall, firewall_of
from rackwright.planning.watchdogs import watchdog_port_of
from rackwright.spec import FleetSpec, GatewaySpec, ServerSpec, Settings

UNKNOWN = {"uuid": "?", "pci_bus_id": "?"}
Values = Mapping[str, Any]


@dataclass(frozen=True)
class PlannedHost:
    """A host by its name. ``keys`` are a gateway's, ``api_key`` is the engines', ``key_id`` its id.

    ``program`` is the watchdog's file. What a deploy installs is held to the ``lock``, and so is
    what is expected.
    """

    name: str
    spec: FleetSpec
    plan: FleetPlan
    program: bytes = field(default=b"", repr=False)
    api_key: str = field(default="", repr=False)
    key_id: str = ""
    keys: KeyFiles = field(default=NO_KEYS, repr=False)
    lock: Lock | None = field(default=None, repr=False)

    @property
    def settings(self) -> Settings:
        """Its group data, as it is locked."""
        return locked_settings(self.spec.settings[self.name], self.lock, self.name)

    @property
    def of_apt(self) -> list[Item]:
        """What its apt may install and has it from; and what may be no older."""
        driver = driver_version(self.name, self.spec)
        return of_apt(self.lock, self.name, driver, self.settings.apt_snapshot)

    def locked(self, items: Sequence[Item]) -> list[Item]:
        """Items, packages at the versions that are locked."""
        return locked_items(items, self.lock, self.name, driver_version(self.name, self.spec))

    @property
    def server(self) -> ServerSpec | None:
        """It as a GPU server; None when it is not one."""
        return self.spec.servers.get(self.name)

    @property
    def gateway(self) -> GatewaySpec | None:
        """It as a gateway; None when it is not one."""
        return self.spec.gateways.get(self.name)

    @property
    def replicas(self) -> tuple[Replica, ...]:
        """The replicas planned on it."""
        return self.plan.on(self.name)

    @property
    def firewall(self) -> Firewall | None:
        """Who may come in; None where that is not ours to say."""
        return firewall_of(self.name, self.spec, self.plan)

    @property
    def shares_address(self) -> bool:
        """Whether it is one of the gateways that hold addresses in turn."""
        failover = self.spec.failover
        return bool(failover and failover.shares and self.name in failover.gateways)

    @property
    def has_driver(self) -> bool:
        """Whether its NVIDIA driver is ours to install."""
        return self.server is not None and self.settings.driver_source != "none"

    @property
    def watchdogs(self) -> dict[str, int]:
        """The port of each server's watchdog that has one, by name."""
        ports = {name: watchdog_port_of(name, self.spec, self.plan) for name in self.spec.servers}
        return {name: port for name, port in ports.items() if port is not None}

    @property
    def names(self) -> list[str]:
        """Host names that it has to look up itself, of servers behind it."""
        return named_addresses(self.plan.upstreams) if self.gateway else []

    @property
    def secret_variables(self) -> frozenset[str]:
        """Of its engines' environments, those that hold a key."""
        engines = (ENGINES[replica.service.engine] for replica in self.replicas)
        return frozenset(engine.key_variable for engine in engines if engine.key_variable)

    @property
    def server_addresses(self) -> list[str]:
        """Of all servers: a gateway's way to them says where it comes from."""
        return [server.address for server in self.spec.servers.values()]


@dataclass(frozen=True)
class Known:
    """What a host alone knows of itself. ``gpus`` are by NVML's index, ``driver`` as ``Facts``."""

    gpus: Sequence[Values | None] = ()
    names: Values = field(default_factory=dict)
    nameservers: tuple[str, ...] = ()
    interfaces: Sequence[Values] = ()
    driver: Values | None = None


def guessed(host: PlannedHost) -> Known:
    """Enough to say what there is to be asked about: paths and names depend on none of it."""
    used = [index for replica in host.replicas for index in replica.gpus]
    return Known(gpus=[UNKNOWN] * (max(used, default=-1) + 1))

"""Each gateway: Nginx with the planned configuration, and a key that is its own."""

from __future__ import annotations

from testinfra.host import Host as Machine

from rackwright.desired import paths
from rackwright.desired.addresses import named_addresses, resolved
from rackwright.desired.gateway import gateway_items, overflows
from rackwright.desired.gateway_places import CONFIG, FLEET
from rackwright.desired.items import File
from rackwright.runner.fleet import FleetRun
from rackwright.spec import GatewaySpec, Settings


def test_nginx_runs_and_starts_at_boot(machine: Machine, gateway: GatewaySpec) -> None:
    assert machine.service("nginx").is_running
    assert machine.service("nginx").is_enabled


def test_configuration_is_the_planned_one(
    machine: Machine, fleet: FleetRun, settings: Settings, gateway: GatewaySpec
) -> None:
    upstreams = fleet.plan.upstreams
    known = {name: machine.addr(name).ipv4_addresses for name in named_addresses(upstreams)}
    addresses = resolved({name: {"addresses": found} for name, found in known.items()})
    routers = fleet.plan.routers_on(gateway.name)
    items = gateway_items(
        gateway, upstreams, settings, addresses, watchdogs=fleet.watchdogs, routers=routers
    )
    planned = {item.key: item.content for item in items if isinstance(item, File)}
    assert machine.file(FLEET).content == planned[FLEET]
    if not overflows(upstreams):  # its name servers are only known there
        assert machine.file(CONFIG).content == planned[CONFIG]


def test_configuration_is_valid(machine: Machine, gateway: GatewaySpec) -> None:
    found = machine.run("nginx -t -q")
    assert found.rc == 0, found.stderr


def test_key_is_private(machine: Machine, settings: Settings, gateway: GatewaySpec) -> None:
    made = paths.certificate_paths(settings.config_dir)[1]
    key = machine.file(gateway.certificate_key or made)
    assert key.exists
    assert key.mode & 0o077 == 0
    assert key.user == "root"


def test_port_is_open(machine: Machine, gateway: GatewaySpec) -> None:
    assert machine.socket(f"tcp://0.0.0.0:{gateway.port}").is_listening


def test_every_replica_is_reached(machine: Machine, fleet: FleetRun, gateway: GatewaySpec) -> None:
    for replica in fleet.plan.replicas:
        if replica.answers:
            assert machine.addr(replica.server.address).port(replica.port).is_reachable, (
                replica.name
            )

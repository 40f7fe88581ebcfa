"""What every host has before anything is served: packages, user, folders."""

from __future__ import annotations

from collections.abc import Sequence

from testinfra.host import Host as Machine

from rackwright.desired.base import base_items
from rackwright.desired.engines import engines_of
from rackwright.desired.items import Directory, Package
from rackwright.engines import Engine
from rackwright.runner.fleet import FleetRun
from rackwright.spec import GatewaySpec, ServerSpec, Settings


def missing(
    machine: Machine,
    settings: Settings,
    *,
    server: bool,
    gateway: bool,
    engines: Sequence[Engine] = (),
    routers: bool = False,
) -> list[str]:
    items = base_items(settings, server=server, gateway=gateway, engines=engines, routers=routers)
    names = [item.key for item in items if isinstance(item, Package)]
    return [name for name in names if not machine.package(name).is_installed]


def test_packages_of_a_server(
    machine: Machine, settings: Settings, server: ServerSpec, fleet: FleetRun
) -> None:
    used = engines_of(fleet.plan.on(server.name))
    assert missing(machine, settings, server=True, gateway=False, engines=used) == []


def test_packages_of_a_gateway(
    machine: Machine, settings: Settings, gateway: GatewaySpec, fleet: FleetRun
) -> None:
    routers = bool(fleet.plan.routers_on(gateway.name))
    assert missing(machine, settings, server=False, gateway=True, routers=routers) == []


def test_engine_user(machine: Machine, settings: Settings, server: ServerSpec) -> None:
    user = machine.user(settings.engine_user)
    assert user.exists
    assert user.shell.endswith("nologin")
    wanted = {name for name in ("render", "video") if machine.group(name).exists}
    assert wanted <= set(user.groups)


def test_folders_belong_to_root(machine: Machine, settings: Settings, server: ServerSpec) -> None:
    for item in base_items(settings, server=True, gateway=False):
        if isinstance(item, Directory):
            folder = machine.file(item.key)
            assert folder.is_directory, item.key
            assert (folder.mode, folder.user, folder.group) == (item.mode, item.owner, item.group)

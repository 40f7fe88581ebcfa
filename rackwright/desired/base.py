"""What every host has before anything is installed on it."""

from __future__ import annotations

from collections.abc import Sequence

from rackwright.desired.folders import config_folder, root_folder, state_folder
from rackwright.desired.items import Item, Package, User
from rackwright.engines import Engine
from rackwright.spec import Settings

VENV_PACKAGES = ("ca-certificates", "python3-venv")
GATEWAY_PACKAGES = (
    *("ca-certificates", "curl", "nginx", "openssl"),
    *("libnginx-mod-http-lua", "lua-resty-core", "lua-resty-lrucache", "lua-cjson"),
)
FAILOVER_PACKAGES = ("keepalived",)
"""Of gateways that share an address."""
FIREWALL_PACKAGES = ("nftables",)


def base_items(
    settings: Settings,
    *,
    server: bool,
    gateway: bool,
    shares_address: bool = False,
    engines: Sequence[Engine] = (),
    firewall: bool = False,
    routers: bool = False,
) -> list[Item]:
    """Packages, the engines' user, and the folders everything else goes into.

    ``engines`` are those of the host's replicas, each with packages that its release needs;
    ``firewall`` says that the host is to have one, ``routers`` that it runs some.
    """
    names = {*(GATEWAY_PACKAGES if gateway else ()), *(FIREWALL_PACKAGES if firewall else ())}
    names.update(FAILOVER_PACKAGES if shares_address else ())
    if server or routers:
        names.update(VENV_PACKAGES, *(each.release(settings).packages for each in engines))
    items: list[Item] = [Package(name) for name in sorted(names)]
    if server or routers:
        user = settings.engine_user
        items.append(User(user, home=settings.state_dir, groups=("render", "video")))
    return [*items, root_folder(settings), config_folder(settings), state_folder(settings)]

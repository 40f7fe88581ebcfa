"""What every host has before anything is installed on it."""

from __future__ import annotations

from rackwright.desired.items import Directory, Item, Package, User
from rackwright.settings import Settings

SERVER_PACKAGES = ("ca-certificates", "python3-venv")
GATEWAY_PACKAGES = ("ca-certificates", "nginx", "openssl")
BUILD_PACKAGES = {"cpu": ("libnuma1",), "cuda": ("gcc", "libc6-dev", "python3-dev")}
"""What an engine build needs of the system: Triton compiles its launcher with gcc at first use;
the CPU build's extension loads libnuma."""


def base_items(settings: Settings, *, server: bool, gateway: bool) -> list[Item]:
    """Packages, the engine's user, and the folders everything else goes into."""
    names = set(GATEWAY_PACKAGES if gateway else ())
    if server:
        names |= {*SERVER_PACKAGES, *BUILD_PACKAGES[settings.vllm_build]}
    items: list[Item] = [Package(name) for name in sorted(names)]
    if server:
        user = settings.engine_user
        items.append(User(user, home=settings.state_dir, groups=("render", "video")))
    folders = (settings.root_dir, settings.config_dir, settings.state_dir)
    return items + [Directory(folder) for folder in folders]

"""Rackwright's own folders on a host, and what it makes in each: by that one is known as ours."""

from __future__ import annotations

from collections.abc import Sequence

from rackwright.desired.items import Directory
from rackwright.engines import ENGINES
from rackwright.plan import Replica
from rackwright.routers import ROUTERS
from rackwright.spec import Settings


def root_folder(settings: Settings) -> Directory:
    """Root's: releases of engines and routers, and programs."""
    return Directory(settings.root_dir, inside=("bin", "uv", "wheels", *ENGINES, *ROUTERS))


def config_folder(settings: Settings) -> Directory:
    """Root's: environment files and certificates."""
    return Directory(
        settings.config_dir, inside=("firewall.nft", "replicas", "tls", "watchdog.json")
    )


def state_folder(settings: Settings) -> Directory:
    """Root's: weights, in a folder that is the engines' user's, and what was found of them.

    Of a gateway a CA's challenges, and what it knows, in a folder that is Nginx's user's.
    """
    names = ("acme", "models", "seeds", "turns", "units", "verified", "gateway", "watchdog")
    return Directory(settings.state_dir, inside=(*names, "manifest.json"))


def cache_folder(settings: Settings, replicas: Sequence[Replica] = ()) -> Directory:
    """The engines' user's, with a folder for each replica in it."""
    user = settings.engine_user
    inside = (*ENGINES, *(replica.name for replica in replicas))
    return Directory(settings.cache_dir, owner=user, group=user, inside=inside)

"""The replicas of a host as units: what they run, with what environment, from which release."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.resources import files

from rackwright.desired import paths
from rackwright.desired.items import Directory, File, Item, Link, NoOtherUnits, Unit
from rackwright.desired.render import render
from rackwright.engines import ENGINES
from rackwright.planner import Replica
from rackwright.settings import Settings

STOP_MARGIN_S = 30
"""What systemd waits longer than the engine: it is the engine that ends its requests."""
AWAIT_READY = "runner/remote/await_ready.py"
MARK = "Description=Rackwright replica "
"""By this line of its unit file a replica of ours is known."""
READINESS = 15
"""Seconds that systemd gives the readiness check beyond the start-up time-out it enforces."""


def replica_items(
    replicas: Sequence[Replica],
    settings: Settings,
    gpu_uuids: Sequence[str] | None,
    secrets: Mapping[str, str],
) -> list[Item]:
    """Units and environment files of the replicas of one host, and the link they run from.

    First of all, what ran there and is not planned any more ends: it may hold a GPU or a port.

    ``gpu_uuids`` are the host's GPUs in NVML's order; None where there is no NVIDIA library.
    ``secrets`` are environment variables that go only into the environment file.
    """
    others = _no_others(replicas, settings)
    if not replicas:
        return [others]
    link = Link(paths.current_link(settings), paths.release_dir(settings))
    items: list[Item] = [
        others,
        Directory(f"{settings.root_dir}/bin"),
        Directory(f"{settings.config_dir}/replicas", mode=0o750, group=settings.engine_user),
        _cache_directory(settings.cache_dir, settings),
        *_scripts(settings),
        link,
    ]
    for replica in replicas:
        unit = _unit_file(replica, settings)
        environment = _environment_file(replica, settings, gpu_uuids, secrets)
        folder = _cache_directory(f"{settings.cache_dir}/{replica.name}", settings)
        items += [folder, unit, environment]
        items.append(_unit(replica, settings, (unit, environment, link)))
    return items


def _no_others(replicas: Sequence[Replica], settings: Settings) -> NoOtherUnits:
    beside = (f"{settings.config_dir}/replicas/{{name}}.env", f"{settings.cache_dir}/{{name}}")
    keep = tuple(paths.unit_name(replica) for replica in replicas)
    return NoOtherUnits(f"{paths.UNIT_PREFIX}*.service", MARK, keep, beside)


def _cache_directory(path: str, settings: Settings) -> Directory:
    return Directory(path, owner=settings.engine_user, group=settings.engine_user)


def _scripts(settings: Settings) -> list[File]:
    await_ready = (files("rackwright") / AWAIT_READY).read_bytes()
    backoff = render("restart-backoff.sh.j2", {"settings": settings})
    return [
        File(f"{settings.root_dir}/bin/await-ready", await_ready, mode=0o755),
        File(f"{settings.root_dir}/bin/restart-backoff", backoff, mode=0o755),
    ]


def _unit(replica: Replica, settings: Settings, parts: tuple[File | Link, ...]) -> Unit:
    timeout_s = settings.start_timeout_s + READINESS
    return Unit(paths.unit_name(replica), restart_on=parts, start_timeout_s=timeout_s)


def _unit_file(replica: Replica, settings: Settings) -> File:
    engine = ENGINES[replica.engine]
    values = {
        "replica": replica,
        "settings": settings,
        "python": f"{paths.current_link(settings)}/bin/python",
        "argv": engine.argv(replica, paths.model_path(replica, settings), settings),
        "environment_path": paths.environment_path(replica, settings),
        "model_path": paths.model_path(replica, settings),
        "stop_timeout_s": settings.stop_timeout_s + STOP_MARGIN_S,
        "start_timeout_s": settings.start_timeout_s + READINESS,
        "health_path": engine.health_path,
    }
    name = paths.unit_name(replica)
    return File(f"/etc/systemd/system/{name}", render("replica.service.j2", values))


def _environment_file(
    replica: Replica,
    settings: Settings,
    gpu_uuids: Sequence[str] | None,
    secrets: Mapping[str, str],
) -> File:
    variables = ENGINES[replica.engine].environment(replica, settings, gpu_uuids)
    values = {"replica": replica, "variables": {**variables, **secrets}}
    return File(
        paths.environment_path(replica, settings),
        render("replica.env.j2", values),
        mode=0o640,
        group=settings.engine_user,
        secret=True,
    )

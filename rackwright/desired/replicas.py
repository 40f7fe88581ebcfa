"""The replicas of a host as units: what they run, with what environment, from which release."""

from __future__ import annotations

from collections.abc import Sequence

from rackwright.desired import paths
from rackwright.desired.engines import engines_of
from rackwright.desired.folders import cache_folder, config_folder, root_folder
from rackwright.desired.items import Absent, Directory, File, Item, NoOtherUnits, Symlink, Unit
from rackwright.desired.render import render
from rackwright.engines import ENGINES
from rackwright.engines.release import script_text
from rackwright.plan import Replica
from rackwright.spec import Settings

STOP_MARGIN_S = 30
"""What systemd waits longer than the engine: it is the engine that ends its requests."""
AWAIT_READY = "await_ready"
MARK = "Description=Rackwright replica "
"""By this line of its unit file a replica of ours is known."""
RELEASES = "*/.complete"
"""By a release in it a folder of ours is known."""
READINESS = 15
"""Seconds that systemd gives the readiness check beyond the start-up time-out it enforces."""


def replica_items(
    replicas: Sequence[Replica],
    settings: Settings,
    gpu_uuids: Sequence[str] | None,
    api_key: str = "",
) -> list[Item]:
    """Units and environment files of the replicas of one host, and the links they run from.

    First of all, what ran there and is not planned any more ends: it may hold a GPU or a port. An
    engine that nothing runs any more goes with its releases.

    ``gpu_uuids`` are the host's GPUs in NVML's order; None where there is no NVIDIA library.
    ``api_key`` goes only into the environment files.
    """
    used = engines_of(replicas)
    unplanned: list[Item] = [
        _no_others(replicas, settings),
        *(
            Absent(paths.engine_dir(e, settings), RELEASES)
            for e in ENGINES.values()
            if e not in used
        ),
    ]
    if not replicas:
        return unplanned
    links = {
        engine.name: Symlink(
            paths.current_link(engine, settings), paths.release_dir(engine, settings)
        )
        for engine in used
    }
    items: list[Item] = [
        *unplanned,
        root_folder(settings),
        config_folder(settings),
        Directory(f"{settings.root_dir}/bin"),
        Directory(f"{settings.config_dir}/replicas", mode=0o750, group=settings.engine_user),
        cache_folder(settings, replicas),
        *_scripts(replicas, settings),
        *links.values(),
    ]
    for replica in replicas:
        unit = _unit_file(replica, settings)
        environment = _environment_file(replica, settings, gpu_uuids, api_key)
        cache, user = f"{settings.cache_dir}/{replica.name}", settings.engine_user
        folder = Directory(cache, owner=user, group=user)
        items += [folder, unit, environment]
        items.append(_unit(replica, settings, (unit, environment, links[replica.service.engine])))
    return items


def _no_others(replicas: Sequence[Replica], settings: Settings) -> NoOtherUnits:
    beside = (f"{settings.config_dir}/replicas/{{name}}.env", f"{settings.cache_dir}/{{name}}")
    keep = tuple(paths.unit_name(replica) for replica in replicas)
    return NoOtherUnits(f"{paths.UNIT_PREFIX}*.service", MARK, keep, beside)


def _scripts(replicas: Sequence[Replica], settings: Settings) -> list[File]:
    backoff = render("restart-backoff.sh.j2", {"settings": settings})
    own = [name for engine in engines_of(replicas) for name in engine.scripts]
    programs = {name: script_text(name).encode() for name in (AWAIT_READY, *own)}
    return [
        *(File(paths.script(name, settings), text, mode=0o755) for name, text in programs.items()),
        File(f"{settings.root_dir}/bin/restart-backoff", backoff, mode=0o755),
    ]


def _unit(replica: Replica, settings: Settings, parts: tuple[File | Symlink, ...]) -> Unit:
    timeout_s = settings.start_timeout_s + READINESS
    return Unit(paths.unit_name(replica), restart_on=parts, start_timeout_s=timeout_s)


def _unit_file(replica: Replica, settings: Settings) -> File:
    engine, model_path = ENGINES[replica.service.engine], paths.model_path(replica, settings)
    after_start = engine.after_start(replica, model_path)
    values = {
        "replica": replica,
        "settings": settings,
        "documentation": engine.documentation,
        "program": f"{paths.current_link(engine, settings)}/{engine.program(settings)}",
        "argv": engine.argv(replica, model_path, settings),
        "after_start": (paths.script(after_start[0], settings), *after_start[1:])
        if after_start
        else (),
        "environment_path": paths.environment_path(replica, settings),
        "model_path": model_path,
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
    api_key: str,
) -> File:
    engine = ENGINES[replica.service.engine]
    live = paths.release_environment(engine, settings, paths.current_link(engine, settings))
    variables = live | engine.environment(replica, settings, gpu_uuids)
    secret = {engine.key_variable: api_key} if engine.key_variable and api_key else {}
    values = {"replica": replica, "variables": {**variables, **secret}}
    return File(
        paths.environment_path(replica, settings),
        render("replica.env.j2", values),
        mode=0o640,
        group=settings.engine_user,
        secret=True,
    )

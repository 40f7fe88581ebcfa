"""The replicas of a host as units: what they run, with what environment, from which release."""

from __future__ import annotations

from collections.abc import Sequence

from rackwright.desired import paths
from rackwright.desired.engines import engines_of
from rackwright.desired.folders import cache_folder, config_folder, root_folder
from rackwright.desired.items import (
    Absent,
    Directory,
    File,
    Item,
    NoOtherUnits,
    StepUnderWay,
    Unit,
)
from rackwright.desired.render import render
from rackwright.engines import ENGINES
from rackwright.engines.release import script_text
from rackwright.plan import Replica
from rackwright.spec import Settings

STOP_MARGIN_S = 30
"""What systemd waits longer than the engine: it is the engine that ends its requests."""
AWAIT_READY, GATHER = "await_ready", "gather"
MARK = "Description=Rackwright replica "
"""By this line of its unit file a replica of ours is known."""
RELEASES = "*/.complete"
"""By a release in it a folder of ours is known."""
SERVED_S = 600
"""Seconds of service after which a failure is the first of its row again."""
READINESS = 15
"""Seconds that systemd gives the readiness check beyond the start-up time-out it enforces."""


def replica_items(
    replicas: Sequence[Replica],
    settings: Settings,
    gpu_uuids: Sequence[str] | None,
    api_key: str = "",
) -> list[Item]:
    """All that a host has for its replicas, in the order in which it is made."""
    items = [*unplanned_items(replicas, settings), *shared_items(replicas, settings)]
    for replica in replicas:
        items += own_items(replica, settings, gpu_uuids, api_key)
    return [*items, *former_links(replicas, settings)]


def unplanned_items(replicas: Sequence[Replica], settings: Settings) -> list[Item]:
    """First of all, what ran there and is not planned any more ends: it may hold a GPU or a port.

    An engine that nothing runs any more goes with its releases.
    """
    used = engines_of(replicas)
    engines = (engine for engine in ENGINES.values() if engine not in used)
    releases = [Absent(paths.engine_dir(engine, settings), RELEASES) for engine in engines]
    return [no_other_units([paths.unit_name(one) for one in replicas], settings), *releases]


def shared_items(replicas: Sequence[Replica], settings: Settings) -> list[Item]:
    """What the replicas of a host have in common; none where there are none."""
    if not replicas:
        return []
    return [
        root_folder(settings),
        config_folder(settings),
        Directory(f"{settings.root_dir}/bin"),
        Directory(f"{settings.config_dir}/replicas", mode=0o750, group=settings.engine_user),
        Directory(paths.turns_dir(settings), mode=0o700),
        cache_folder(settings, replicas),
        *_scripts(replicas, settings),
    ]


def own_items(
    replica: Replica, settings: Settings, gpu_uuids: Sequence[str] | None, api_key: str = ""
) -> list[Item]:
    """One replica on its host: what it is started from, and its unit.

    ``gpu_uuids`` are the host's GPUs in NVML's order; None where there is no NVIDIA library.
    ``api_key`` goes only into the environment file.
    """
    unit = _unit_file(replica, settings)
    environment = _environment_file(replica, settings, gpu_uuids, api_key)
    user, cache = settings.engine_user, ENGINES[replica.service.engine].cache(replica, settings)
    folders = dict.fromkeys((f"{settings.cache_dir}/{replica.name}", cache))
    return [
        StepUnderWay(replica.name, paths.turns_dir(settings)),
        *(Directory(folder, owner=user, group=user) for folder in folders),
        unit,
        environment,
        _unit(replica, settings, (unit, environment)),
    ]


def former_links(replicas: Sequence[Replica], settings: Settings) -> list[Item]:
    """The links that units ran from once; only when no unit does may they go."""
    return [
        Absent(paths.former_link(engine, settings), f"{paths.engine_dir(engine, settings)}/")
        for engine in engines_of(replicas)
    ]


def no_other_units(keep: Sequence[str], settings: Settings) -> NoOtherUnits:
    """No unit of a replica but those to ``keep``."""
    beside = (f"{settings.config_dir}/replicas/{{name}}.env", f"{settings.cache_dir}/{{name}}")
    return NoOtherUnits(f"{paths.UNIT_PREFIX}*.service", MARK, tuple(keep), beside)


def _scripts(replicas: Sequence[Replica], settings: Settings) -> list[File]:
    starts = render("starts.sh.j2", {"settings": settings, "served_s": SERVED_S})
    own = [name for engine in engines_of(replicas) for name in engine.scripts]
    own += [GATHER] if any(replica.kept_together for replica in replicas) else []
    programs = {name: script_text(name).encode() for name in (AWAIT_READY, *own)}
    return [
        *(File(paths.script(name, settings), text, mode=0o755) for name, text in programs.items()),
        File(f"{settings.root_dir}/bin/starts", starts, mode=0o755),
    ]


def _unit(replica: Replica, settings: Settings, parts: tuple[File, ...]) -> Unit:
    timeout_s = settings.start_timeout_s + READINESS
    return Unit(paths.unit_name(replica), restart_on=parts, start_timeout_s=timeout_s)


def _unit_file(replica: Replica, settings: Settings) -> File:
    engine, model_path = ENGINES[replica.service.engine], paths.model_path(replica, settings)
    after_start = engine.after_start(replica, model_path)
    values = {
        "replica": replica,
        "settings": settings,
        "documentation": engine.documentation,
        "program": f"{paths.release_dir(engine, settings)}/{engine.program(settings)}",
        "argv": engine.argv(replica, model_path, settings),
        "after_start": (paths.script(after_start[0], settings), *after_start[1:])
        if after_start
        else (),
        "environment_path": paths.environment_path(replica, settings),
        "model_path": model_path,
        "projector_path": replica.mmproj.place(settings.state_dir) if replica.mmproj else None,
        "gathers": replica.kept_together,
        "answers_at": replica.span.addresses[0] if replica.span else replica.server.address,
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
    live = paths.release_environment(engine, settings, paths.release_dir(engine, settings))
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

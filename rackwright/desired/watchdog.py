"""The watchdog of a GPU server: its program, what it knows, and its unit."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rackwright.checks.results import Status
from rackwright.checks.server.xid_codes import BY_TEXT, CODES
from rackwright.desired import paths
from rackwright.desired.folders import config_folder, root_folder, state_folder
from rackwright.desired.items import Absent, Directory, File, Item, NoOtherUnits, Unit
from rackwright.desired.render import render
from rackwright.desired.replicas import READINESS
from rackwright.engines import ENGINES
from rackwright.models.tasks import writes
from rackwright.plan import FleetPlan, Replica
from rackwright.planning.watchdogs import neighbours, stall_s, step_s, watchdog_port_of
from rackwright.spec import FleetSpec, Settings

UNIT = "rackwright-watchdog.service"
MARK = "Description=Rackwright watchdog"
"""By this line of its unit file it is known as ours; by the next two its program and data."""
PROGRAM_MARK = "# Rackwright watchdog"
CONFIG_MARK = f' "unit": "{UNIT}"'
BACK_MARGIN_S = 60
"""Beyond the time that a start may take: for the end before it, and the proof after it."""
LIFE = {True: "tokens_generated", False: "prompt_tokens"}
"""The figure that says that an engine gets something done, by whether its model writes."""
FORMAT = 1

Gpu = Mapping[str, Any]
"""As the probe tells of it."""


def program_path(settings: Settings) -> str:
    """Where the program lies."""
    return f"{settings.root_dir}/bin/watchdog"


def config_path(settings: Settings) -> str:
    """Where it reads what the plan says."""
    return f"{settings.config_dir}/watchdog.json"


def watchdog_items(
    name: str, spec: FleetSpec, plan: FleetPlan, gpus: Sequence[Gpu | None], program: bytes
) -> list[Item]:
    """All of it; where a host is to have none, that ours is gone.

    ``gpus`` are the host's, by index, as the probe told; ``program`` is the file that is run.
    """
    settings, port = spec.settings[name], watchdog_port_of(name, spec, plan)
    if port is None:
        return list(_nothing(settings))
    config = watchdog_config(name, spec, plan, gpus)
    values = {
        "program": program_path(settings),
        "config": config_path(settings),
        "folder": f"{settings.state_dir}/watchdog",
    }
    files = (
        File(program_path(settings), program, mode=0o755),
        File(config_path(settings), config, mode=0o600),
        File(f"/etc/systemd/system/{UNIT}", render("watchdog.service.j2", values)),
    )
    return [
        root_folder(settings),
        config_folder(settings),
        state_folder(settings),
        Directory(f"{settings.root_dir}/bin"),
        Directory(f"{settings.state_dir}/watchdog", mode=0o700),
        *files,
        Unit(UNIT, restart_on=files),
    ]


def _nothing(settings: Settings) -> Iterator[Item]:
    """What it kept stays: evidence, and a quarantine."""
    yield NoOtherUnits("rackwright-watchdog*.service", MARK, ())
    yield Absent(program_path(settings), PROGRAM_MARK)
    yield Absent(config_path(settings), CONFIG_MARK)


def watchdog_config(
    name: str, spec: FleetSpec, plan: FleetPlan, gpus: Sequence[Gpu | None]
) -> bytes:
    """What it is told: the same bytes for the same plan and GPUs. It holds no secret."""
    settings, replicas = spec.settings[name], plan.on(name)
    leading = [replica for replica in replicas if replica.answers]
    fatal, by_text = fatal_codes()
    data = {
        "format": FORMAT,
        "unit": UNIT,
        "host": name.removeprefix("@"),
        "address": spec.servers[name].address,
        "port": settings.watchdog_port,
        "state_dir": settings.state_dir,
        "restarts_an_hour": settings.watchdog_restarts_an_hour,
        "replicas": [_replica(replica, settings, spec, plan) for replica in leading],
        "ranks": [_rank(one, spec, plan) for one in replicas if one.kept_together],
        "peers": _peers(name, {replica.service.name for replica in leading}, spec, plan),
        "gpus": _gpus(replicas, gpus),
        "fatal_xids": fatal,
        "fatal_by_text": by_text,
    }
    return (json.dumps(data, indent=1) + "\n").encode()


def fatal_codes() -> tuple[dict[str, str], dict[str, str]]:
    """Xids that put a server in quarantine with their words, and those of which the line says."""
    critical = {c: one.words for c, one in CODES.items() if one.status is Status.CRITICAL}
    return (
        {str(code): words for code, words in critical.items()},
        {str(code): words for code, words in BY_TEXT.items()},
    )


def _replica(
    replica: Replica, settings: Settings, spec: FleetSpec, plan: FleetPlan
) -> dict[str, Any]:
    engine = ENGINES[replica.service.engine]
    canary, figures = engine.canary(replica.service, replica.task), engine.figures_of(replica.task)
    life = LIFE[writes(replica.task)]
    counts = life in figures
    return {
        "name": replica.name,
        "service": replica.service.name,
        "unit": paths.unit_name(replica),
        "address": replica.server.address,
        "port": replica.port,
        "health_path": engine.health_path,
        "metrics_path": engine.metrics_path,
        "figures": {name: list(where) for name, where in figures.items()},
        **({"life": life} if replica.task else {}),
        "canary": {"path": canary.path, "body": canary.sent},
        "key_variable": engine.key_variable,
        "environment_path": paths.environment_path(replica, settings),
        "stall_s": stall_s(replica, counts, engine.uses_gpus(settings)),
        "step_s": step_s(replica, engine.uses_gpus(settings)),
        "start_s": settings.start_timeout_s + READINESS + BACK_MARGIN_S,
        "ranks": list(_ranks(replica, spec, plan)),
    }


def _rank(replica: Replica, spec: FleetSpec, plan: FleetPlan) -> dict[str, Any]:
    """One rank of a replica over several servers, and where the others are."""
    assert replica.span
    others = (one for one in plan.named(replica.name) if one.span)
    return {
        "name": replica.name,
        "unit": paths.unit_name(replica),
        "rank": replica.span.rank,
        "others": [
            {
                "rank": other.span.rank,
                "server": other.server.name.removeprefix("@"),
                "address": spec.servers[other.server.name].address,
                "port": watchdog_port_of(other.server.name, spec, plan),
            }
            for other in others
            if other.span and other.span.rank != replica.span.rank
        ],
    }


def _ranks(replica: Replica, spec: FleetSpec, plan: FleetPlan) -> Iterator[dict[str, Any]]:
    """Watchdogs of the other servers that a replica takes."""
    for other in plan.named(replica.name):
        if other.server.name != replica.server.name:
            yield from _place(other.server.name, spec, plan)


def _place(name: str, spec: FleetSpec, plan: FleetPlan) -> Iterator[dict[str, Any]]:
    port = watchdog_port_of(name, spec, plan)
    if port is not None:
        address = spec.servers[name].address
        yield {"host": name.removeprefix("@"), "address": address, "port": port}


def _peers(
    name: str, services: set[str], spec: FleetSpec, plan: FleetPlan
) -> dict[str, list[dict[str, Any]]]:
    """By service the watchdogs of other servers, and the replicas that they answer for."""
    return {
        service: [
            {**place, "replicas": names}
            for server in neighbours(name, plan)
            for place in _place(server.name, spec, plan)
            if (names := _led_by(server.name, service, plan))
        ]
        for service in sorted(services)
    }


def _led_by(server: str, service: str, plan: FleetPlan) -> list[str]:
    replicas = plan.on(server)
    return [one.name for one in replicas if one.answers and one.service.name == service]


def _gpus(replicas: Sequence[Replica], gpus: Sequence[Gpu | None]) -> list[dict[str, Any]]:
    """Those that replicas run on, of which the host told UUID and place."""
    used = sorted({index for replica in replicas for index in replica.gpus})
    known = ((index, gpus[index] or {}) for index in used if index < len(gpus))
    return [
        {"number": index, "uuid": gpu["uuid"], "pci_bus_id": gpu["pci_bus_id"]}
        for index, gpu in known
        if gpu.get("uuid") and gpu.get("pci_bus_id")
    ]

"""`rackwright bandwidth`: links measured, on all servers at once.

Between GPUs by the engine's own torch, between the servers of a replica by TCP. Replicas of engines
without torch are left out: their GPUs take turns and reduce nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import click
from pyinfra.api.host import Host

from rackwright.checks.rank.between_servers import CHECK as BETWEEN_CHECK
from rackwright.checks.rank.planned_path import PlannedPath
from rackwright.checks.replica.bandwidth import CHECK, SIZES_BYTES, refused
from rackwright.checks.replica.planned_links import PlannedLinks
from rackwright.checks.results import CheckResult, Status, worst
from rackwright.desired.paths import release_dir, unit_name
from rackwright.engines import ENGINES, Engine
from rackwright.exits import tell
from rackwright.planning.topology import islands
from rackwright.report import terminal_text
from rackwright.runner.asking import Answer, ask_all
from rackwright.runner.fleet import FleetRun, fleet_of
from rackwright.runner.inventory import load_inventory
from rackwright.runner.judging import accepted
from rackwright.runner.paths_between import paths_of, transfers_of
from rackwright.runner.probing import glance
from rackwright.runner.remote_call import call

LIMIT_S = 180
"""Of the ranks of a replica: torch read from a cold disk, or beside other work, is most of it."""
BETWEEN = "between servers"
"""Where an answer has what came from other servers; no replica has a name with a space."""
_DEVICES = {True: ("cuda", "nccl", SIZES_BYTES), False: ("cpu", "gloo", SIZES_BYTES[:2])}
"""By whether the engine's build runs on GPUs: torch's device, its backend, sizes."""


def measured(path: str, said: Callable[[str], None]) -> list[CheckResult]:
    """A row for each replica with several GPUs on a server, and for each that has several servers.

    Raises SpecError or PlanError.
    """
    inventory = load_inventory(path)
    fleet = fleet_of(inventory)
    groups = {name: _groups(fleet, name) for name in fleet.plan.servers}
    paths = paths_of(fleet)

    def answered(name: str, answer: Answer) -> None:
        if groups.get(name) or transfers_of(paths, name):
            said(f"{name}: {answer.get('error', 'answered')}")

    def question(host: Host) -> Answer:
        # First of all: both ends are asked now, and GPUs take each server its own time.
        transfers = transfers_of(paths, host.name)
        between = _between(host, transfers) if transfers else {}
        return {**_measure(host, fleet, groups.get(host.name, [])), BETWEEN: between}

    answers = ask_all(inventory, question, answered)
    rows = [_row(links, answers[name]) for name, own in groups.items() for links in own]
    rows += [_path_row(path, answers[path.host]) for path, _ in paths]
    return accepted(rows, fleet, (CHECK.name, BETWEEN_CHECK.name))


def _between(host: Host, transfers: list[dict[str, Any]]) -> Answer:
    limit_s = round(sum(one["wait_s"] + 2 * one["seconds"] for one in transfers)) + 30
    measured: Answer = call(host, "between_servers", transfers, timeout_s=limit_s, kind=dict)
    return measured


def _path_row(path: PlannedPath, answer: Answer) -> CheckResult:
    if "error" in answer:
        words = str(answer["error"])
        return CheckResult(BETWEEN_CHECK.name, path.host, path.name, Status.CRITICAL, words)
    return BETWEEN_CHECK.ask(path, {"transfer": answer[BETWEEN].get(path.peer)})


def _row(links: PlannedLinks, answer: Answer) -> CheckResult:
    if "error" in answer:
        words = str(answer["error"])
        return CheckResult(CHECK.name, links.host, links.name, Status.CRITICAL, words)
    return CHECK.ask(links, answer.get(links.name) or {"error": "no answer"})


def _groups(fleet: FleetRun, server: str) -> list[PlannedLinks]:
    return [
        PlannedLinks(
            name=replica.name,
            host=server,
            unit=unit_name(replica),
            engine=replica.service.engine,
            gpus=tuple(replica.gpus),
            gpu=replica.gpu,
            interconnect=replica.server.interconnect,
            islands=islands(replica.server, replica.gpu),
        )
        for replica in fleet.plan.on(server)
        if len(replica.gpus) > 1 and ENGINES[replica.service.engine].torch_program
    ]


def _measure(host: Host, fleet: FleetRun, groups: list[PlannedLinks]) -> Answer:
    """What one host measures of the groups that have the memory for it, one engine at a time."""
    answer: Answer = {}
    for name in dict.fromkeys(links.engine for links in groups):
        own = [links for links in groups if links.engine == name]
        answer |= _measure_by(host, fleet, ENGINES[name], own)
    return answer


def _measure_by(host: Host, fleet: FleetRun, engine: Engine, groups: list[PlannedLinks]) -> Answer:
    able, no = groups, dict[str, Any]()
    if engine.uses_gpus(fleet.settings(host.name)):
        seen = glance(host)
        able = [links for links in groups if not refused(links, seen)]
        no = {links.name: {"glance": seen} for links in groups if links not in able}
    request = _request(fleet, host, engine, able)
    limit_s = LIMIT_S * len(groups) + 30
    measured: Answer = call(host, "bandwidth", request, timeout_s=limit_s, kind=dict)
    return no | measured


def _request(
    fleet: FleetRun, host: Host, engine: Engine, groups: list[PlannedLinks]
) -> dict[str, Any]:
    settings = fleet.settings(host.name)
    device, backend, sizes = _DEVICES[engine.uses_gpus(settings)]
    return {
        "python": f"{release_dir(engine, settings)}/{engine.torch_program}",
        "user": settings.engine_user,
        "environment": settings.engine_environment,
        "device": device,
        "backend": backend,
        "sizes": sizes,
        "limit_s": LIMIT_S,
        "groups": [
            {"name": links.name, "gpus": links.gpus, "pairs": links.pairs} for links in groups
        ],
    }


@click.command(short_help="Measure the links between GPUs, and between servers")
@click.argument("inventory", type=click.Path(exists=True, dir_okay=False))
def bandwidth(inventory: str) -> None:
    """Measure the links between the GPUs of every replica, and compare with the catalog's figures.

    Copies between neighbours and all-reduces, by the engine release's own torch, and TCP between
    the servers of one replica: seconds of full load on the links. Refused where the GPUs have no
    memory left for it. Exits as verify does.
    """
    results = measured(inventory, lambda line: tell(line, err=True))
    tell(terminal_text(results))
    sys.exit(worst(results) if results else 0)

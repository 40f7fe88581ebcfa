"""`rackwright bandwidth`: links measured by the engine's own torch, on all servers at once.

Replicas of engines without torch are left out: their GPUs take turns and reduce nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import click
from pyinfra.api.host import Host

from rackwright.catalog import gpu_types
from rackwright.checks.bandwidth import SIZES_BYTES, Group, judge, refused
from rackwright.checks.results import CheckResult, Status, worst
from rackwright.desired.paths import release_dir, unit_name
from rackwright.engines import ENGINES, Engine
from rackwright.planning.topology import islands
from rackwright.report import terminal_text
from rackwright.runner.asking import Answer, ask_all
from rackwright.runner.fleet import Fleet, fleet_of
from rackwright.runner.inventory import load_inventory
from rackwright.runner.probing import glance
from rackwright.runner.remote_call import call

LIMIT_S = 60
_DEVICES = {True: ("cuda", "nccl", SIZES_BYTES), False: ("cpu", "gloo", SIZES_BYTES[:2])}
"""By whether the engine's build runs on GPUs: torch's device, its backend, sizes."""


def measured(path: str, said: Callable[[str], None]) -> list[CheckResult]:
    """A row for each replica that has several GPUs on a server. Raises SpecError or PlanError."""
    inventory = load_inventory(path)
    fleet = fleet_of(inventory)
    groups = {name: _groups(fleet, name) for name in fleet.plan.servers}

    def answered(name: str, answer: Answer) -> None:
        if groups.get(name):
            said(f"{name}: {answer.get('error', 'answered')}")

    def question(host: Host) -> Answer:
        return _ask(host, fleet, groups.get(host.name, []))

    answers = ask_all(inventory, question, answered)
    return [_row(group, answers[name]) for name, own in groups.items() for group in own]


def _row(group: Group, answer: Answer) -> CheckResult:
    if "error" in answer:
        return group.says(Status.CRITICAL, str(answer["error"]))
    row = answer["refused"].get(group.name)
    return row or judge(group, answer["measured"].get(group.name) or {"error": "no answer"})


def _groups(fleet: Fleet, server: str) -> list[Group]:
    spec = fleet.spec.servers[server]
    gpu = gpu_types()[spec.gpus.type]
    several = (replica for replica in fleet.plan.on(server) if len(replica.gpus) > 1)
    return [
        Group(replica, gpu, islands(spec, gpu))
        for replica in several
        if ENGINES[replica.service.engine].torch_program
    ]


def _ask(host: Host, fleet: Fleet, groups: list[Group]) -> Answer:
    """What one host measures of the groups that have the memory for it, one engine at a time."""
    answer: Answer = {"refused": {}, "measured": {}}
    for name in dict.fromkeys(group.replica.service.engine for group in groups):
        own = [group for group in groups if group.replica.service.engine == name]
        for key, found in _ask_engine(host, fleet, ENGINES[name], own).items():
            answer[key].update(found)
    return answer


def _ask_engine(host: Host, fleet: Fleet, engine: Engine, groups: list[Group]) -> Answer:
    no: dict[str, CheckResult] = {}
    if engine.uses_gpus(fleet.settings(host.name)):
        seen = glance(host)
        rows = {group.name: refused(group, unit_name(group.replica), seen) for group in groups}
        no = {name: row for name, row in rows.items() if row}
    able = [group for group in groups if group.name not in no]
    request = _request(fleet, host, engine, able)
    answer = call(host, "bandwidth", request, timeout_s=LIMIT_S * len(groups) + 30)
    return {"refused": no, "measured": answer}


def _request(fleet: Fleet, host: Host, engine: Engine, groups: list[Group]) -> dict[str, Any]:
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
            {"name": group.name, "gpus": group.replica.gpus, "pairs": group.pairs}
            for group in groups
        ],
    }


@click.command()
@click.argument("inventory", type=click.Path(exists=True, dir_okay=False))
def bandwidth(inventory: str) -> None:
    """Measure the links between the GPUs of every replica, and compare with the catalog's figures.

    Copies between neighbours and all-reduces, by the engine release's own torch: seconds of full
    load on the links. Refused where the GPUs have no memory left for it. Exits as verify does.
    """
    results = measured(inventory, lambda line: click.echo(line, err=True))
    click.echo(terminal_text(results))
    sys.exit(worst(results) if results else 0)

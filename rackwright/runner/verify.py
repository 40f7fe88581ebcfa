"""Verification: observe every host, then judge the whole fleet in one place."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Collection, Generator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from pyinfra.api.command import FunctionCommand
from pyinfra.api.operation import operation
from pyinfra.context import host, state

from rackwright import checks
from rackwright.catalog import gpu_types
from rackwright.checks.results import (
    CheckResult,
    PlannedReplica,
    PlannedServer,
    PlannedService,
    Status,
)
from rackwright.desired import paths
from rackwright.engines import ENGINES
from rackwright.planner import Replica
from rackwright.report import results_text
from rackwright.runner.fleet import Fleet, this_fleet
from rackwright.runner.operations import refuse
from rackwright.runner.probing import probe
from rackwright.runner.remote_call import HostError, call
from rackwright.runner.secrets import secret
from rackwright.settings import Settings
from rackwright.spec import ServerSpec
from rackwright.topology import islands

SERVING = "runner/remote/serving"
MAX_TOKENS = 8
UNHEALTHY = (Status.CRITICAL, Status.UNKNOWN)
ASKS_A_REPLICA = 2
"""Completions through the gateway for each replica: least_conn alternates between idle ones."""


@operation()
def observe_serving() -> Generator[FunctionCommand]:
    """Ask the host's replicas and gateway, and keep what they answer. Changes nothing."""
    if not state.is_executing:
        return
    fleet = this_fleet()
    try:
        seen = observe(fleet)
    except HostError as error:
        seen = {"error": str(error)}
    commands = getattr(host.connector, "commands_sent", None)
    fleet.observations[host.name] = {**seen, "ssh_commands": commands}
    yield from ()


def observe(fleet: Fleet) -> dict[str, Any]:
    """What the current host's replicas, gateway and GPUs answer.

    Raises HostError where the host gives no answer.
    """
    seen: dict[str, Any] = call(host, SERVING, _request(fleet), timeout_s=600)
    if fleet.server is not None:
        seen["probe"] = probe(host)
    return seen


def _request(fleet: Fleet) -> dict[str, Any]:
    settings = fleet.settings(host.name)
    return {
        "replicas": [_replica_request(replica, settings) for replica in fleet.replicas],
        "gateway": _gateway_request(fleet, settings),
    }


def _replica_request(replica: Replica, settings: Settings) -> dict[str, Any]:
    engine = ENGINES[replica.engine]
    return {
        "name": replica.name,
        "unit": paths.unit_name(replica),
        "answers": replica.answers,
        "address": replica.address,
        "port": replica.port,
        "served_model_name": replica.served_model_name,
        "environment_path": paths.environment_path(replica, settings),
        "health_path": engine.health_path,
        "models_path": engine.models_path,
        "completions_path": engine.completions_path,
        "max_tokens": MAX_TOKENS,
    }


def _gateway_request(fleet: Fleet, settings: Settings) -> dict[str, Any] | None:
    gateway = fleet.gateway
    if gateway is None:
        return None
    made, _ = paths.certificate_paths(settings.config_dir)
    key = secret("key", settings.vllm_api_key_env).get("key", "")
    alone = len(fleet.plan.upstreams) == 1
    services = [
        {
            "name": upstream.service,
            "prefix": "" if alone else f"/{upstream.service}",
            "served_model_name": upstream.served_model_name,
            "completions": ASKS_A_REPLICA * len(upstream.replicas),
            "key": key,
        }
        for upstream in fleet.plan.upstreams
    ]
    return {
        "server_name": gateway.server_name,
        "port": gateway.port,
        "certificate": None if gateway.certificate else made,
        "services": services,
    }


@operation()
def judge() -> Generator[FunctionCommand]:
    """Judge every host that was asked; then each fails that has a row neither OK nor WARN.

    UNKNOWN fails too: what was not proven is not healthy. All hosts are judged together, unless
    pyinfra takes them one after another (--serial, --no-wait): then each adds to the table.
    """
    if not state.is_executing:
        return
    fleet = this_fleet()
    ready = _hosts_to_judge(fleet)
    if ready != fleet.judged:
        fleet.judged = ready
        fleet.results = checks.judge(planned(fleet, ready), fleet.observations)
        path = _save(fleet, fleet.results)
        click.echo(f"\n{_table(fleet.results)}\n\nReport: {path}\n", err=True)
    bad = [r for r in fleet.results if r.host == host.name and r.status in UNHEALTHY]
    if bad:
        yield refuse("; ".join(f"{r.status}: {r.subject} {r.check}" for r in bad))


def _table(results: list[CheckResult]) -> str:
    return results_text(results, colour=sys.stderr.isatty() and "NO_COLOR" not in os.environ)


def _hosts_to_judge(fleet: Fleet) -> frozenset[str]:
    """Hosts of this run (see --limit) that were asked, or that failed before they could be."""
    of_this_run = {one.name for one in state.inventory if state.is_host_in_limit(one)}
    still_to_ask = {one.name for one in state.active_hosts} - set(fleet.observations)
    return frozenset(of_this_run - still_to_ask)


def planned(fleet: Fleet, hosts: Collection[str]) -> list[checks.Planned]:
    """All that is planned on these hosts, as the checks need to know it."""
    servers = [_planned_server(s, fleet) for n, s in fleet.spec.servers.items() if n in hosts]
    replicas = [_planned_replica(r) for r in fleet.plan.replicas if r.server in hosts]
    gateways = {n: g for n, g in fleet.spec.gateways.items() if n in hosts}
    services = [
        PlannedService(
            name=upstream.service,
            host=name,
            server_name=gateway.server_name,
            served_model_name=upstream.served_model_name,
            replicas=tuple(replica.name for replica in upstream.replicas),
        )
        for name, gateway in gateways.items()
        for upstream in fleet.plan.upstreams
    ]
    return [*servers, *replicas, *services]


def _planned_server(server: ServerSpec, fleet: Fleet) -> PlannedServer:
    gpu = gpu_types()[server.gpus.type]
    replicas = fleet.plan.on(server.name)
    return PlannedServer(
        host=server.name,
        gpu=gpu,
        gpus=server.gpus.count,
        interconnect=server.interconnect,
        islands=islands(server, gpu),
        tenants=tuple((i, paths.unit_name(replica)) for replica in replicas for i in replica.gpus),
        engines_use_gpus=fleet.settings(server.name).vllm_build == "cuda",
    )


def _planned_replica(replica: Replica) -> PlannedReplica:
    return PlannedReplica(
        name=replica.name,
        host=replica.server,
        unit=paths.unit_name(replica),
        port=replica.port,
        served_model_name=replica.served_model_name,
        max_model_len=replica.max_model_len,
        answers=replica.answers,
    )


def _save(fleet: Fleet, results: list[CheckResult]) -> Path:
    """Write the JSON report: results, plan and what was observed."""
    folder = Path(fleet.settings(host.name).report_dir)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{time.strftime('%Y%m%dT%H%M%S')}.json"
    commands = {name: seen.get("ssh_commands") for name, seen in fleet.observations.items()}
    report = {
        "schema": 1,
        "time_unix_s": round(time.time()),
        "results": [asdict(result) for result in results],
        "ssh_commands": commands,
        "plan": fleet.plan.model_dump(mode="json"),
        "observations": fleet.observations,
    }
    path.write_text(json.dumps(report, indent=1, default=str) + "\n")
    latest = folder / "latest.json"
    latest.unlink(missing_ok=True)
    latest.symlink_to(path.name)
    return path

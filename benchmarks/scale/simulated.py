"""Hosts that are not there: each answers what `serving` and `probe` would, as a healthy one.

The answers are those of the samples that checks are tried on, with this host's names and the
figures that its plan predicts: as long as real ones, and right in every check.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from rackwright.checks import checks_about
from rackwright.checks.host.firewall import CHECK as FIREWALL
from rackwright.checks.planned import PlannedReplica, PlannedServer, PlannedService
from rackwright.checks.replica.healthy import COMPLETION, REPLICA, answer, busy_gpu, streamed
from rackwright.checks.server.healthy import VLLM, h200
from rackwright.checks.service.certificate import CHECK as CERTIFICATE
from rackwright.checks.service.healthy import SERVICE
from rackwright.planning.firewall import firewall_of
from rackwright.runner.fleet import FleetRun
from rackwright.runner.planned import planned

Values = dict[str, Any]


class Simulated:
    """The hosts of one fleet; ``changed`` are parts of an answer by host that are otherwise."""

    def __init__(self, fleet: FleetRun, changed: Mapping[str, Values] | None = None) -> None:
        """``asked`` counts the questions that each host had."""
        self._fleet, self._changed = fleet, dict(changed or {})
        self.asked: dict[str, int] = {}

    def answer(self, host: str, script: str) -> Values:
        """What ``main`` of a script of ``remote`` answers there."""
        self.asked[host] = self.asked.get(host, 0) + 1
        parts = planned(self._fleet, [host])
        if script == "probe":
            return _probe(next(one for one in parts if isinstance(one, PlannedServer)))
        seen = {**_host(self._fleet, host), **self._changed.get(host, {})}
        seen["replicas"] = {
            one.name: _replica(one) for one in parts if isinstance(one, PlannedReplica)
        }
        services = [one for one in parts if isinstance(one, PlannedService)]
        return {**seen, "gateway": _gateway(services) if services else None}


def _host(fleet: FleetRun, host: str) -> Values:
    names = [replica.name for replica in fleet.plan.on(host)]
    replicas = {name: {"state": "well", "why": ""} for name in names}
    room = {"device": 1, "free_bytes": 900 << 30, "total_bytes": 2000 << 30}
    folders = ("/var/log", "/opt/rackwright", "/var/lib/rackwright/models")
    return {
        "time_unix_s": time.time(),
        "elapsed_s": 0.0,
        "disks": dict.fromkeys(folders, room),
        "quarantine": {"there": False},
        "watchdog": {
            "unit": {"ActiveState": "active"},
            "state": answer({"replicas": replicas}),
        },
        "firewall": _firewall(fleet, host),
    }


def _firewall(fleet: FleetRun, host: str) -> Values | None:
    firewall = firewall_of(host, fleet.spec, fleet.plan)
    if firewall is None:
        return None
    table, seen = firewall.table({}, ()), dict(FIREWALL.healthy.seen["firewall"])
    rules = [[rule.name, rule.verdict.partition(" ")[0]] for rule in table.rules]
    loaded = {"policy": table.policy, "hooks": ["input"], "rules": rules}
    return {**seen, "table": {**loaded, "sets": {k: list(v) for k, v in table.sets.items()}}}


def _probe(server: PlannedServer) -> Values:
    samples = [check.healthy.seen for check in checks_about(PlannedServer)]
    seen = deepcopy({key: value for sample in samples for key, value in sample.items()})
    seen["gpus"] = [h200(index) for index in range(server.gpus)]
    for tenant in server.tenants:
        group = f"/system.slice/{tenant.unit}"
        gpu = seen["gpus"][tenant.gpu]
        gpu["processes"] = [{**VLLM, "used_bytes": tenant.most_bytes, "cgroups": [group]}]
        memory = gpu["memory"]
        memory["free_bytes"] = memory["total_bytes"] - tenant.most_bytes
    driver = server.driver_version or ""
    seen["nvml"] = {**seen["nvml"], "driver_version": driver}
    seen["library_version"] = driver
    seen["os"] = {**seen["os"], "nvidia_module_version": driver}
    seen["kernels"]["installed"][0]["module"] = driver
    return seen


def _replica(replica: PlannedReplica) -> Values:
    seen, predicted = deepcopy(dict(REPLICA.seen)), replica.predicted
    assert predicted is not None  # on GPUs, by an engine whose speeds are
    group = f"/system.slice/{replica.unit}"
    seen["unit"]["ControlGroup"] = group
    seen["listeners"][0]["cgroups"] = ["/", group]
    listed = {"id": replica.served_model_name, "max_model_len": replica.max_model_len}
    seen["models"] = answer({"object": "list", "data": [listed]})
    seen["version"] = answer({"version": replica.version})
    seen["completion"] = answer({**COMPLETION, "model": replica.served_model_name})
    figures = {"requests_running": 0.0, "kv_cache_tokens": float(predicted.kv_cache_tokens)}
    seen["metrics"] = answer(figures)
    seen["delivery"] = streamed(predicted.alone.tpot_ms, predicted.alone.ttft_ms)
    requests = seen["burst"]["requests"]
    seen["burst"]["tokens"] = int(3 * predicted.under(requests).out_tok_s)
    seen["burst"]["gpus"] = {str(gpu): busy_gpu(95) for gpu in replica.gpus}
    return seen


def _gateway(services: list[PlannedService]) -> Values:
    seen, live, told, asked = deepcopy(dict(SERVICE.seen)), {}, {}, {}
    for service in services:
        pairs = zip(service.replicas, service.addresses, strict=True)
        rows = [(name, *address.rsplit(":", 1)) for name, address in pairs]
        replicas = [{"name": n, "host": host, "port": int(port)} for n, host, port in rows]
        told[service.name] = {"replicas": replicas}
        live[service.name] = {"replicas": {name: {"state": "in"} for name in service.replicas}}
        model = service.served_model_name
        asked[service.name] = {
            "models": answer({"object": "list", "data": [{"id": model}]}),
            "completions": [
                answer({**COMPLETION, "model": model}, replica=name) for name in service.replicas
            ],
        }
    seen["data"]["services"], seen["live"]["services"] = told, live
    seen["services"], seen["routers"] = asked, {}
    needed = services[0].connections
    seen["configuration"]["limits"] = {"worker_connections": needed}
    seen["worker_open_files"] = 2 * needed
    seen["certificate"] = CERTIFICATE.healthy.seen["certificate"]
    return seen

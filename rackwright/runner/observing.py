"""What a host is asked of its replicas and its gateway; see ``remote/serving.py``."""

from __future__ import annotations

import time
from typing import Any

from pyinfra.api.host import Host
from pyinfra.context import host

from rackwright.desired import paths, watchdog
from rackwright.desired.addresses import named_addresses
from rackwright.desired.failover import UNIT
from rackwright.desired.fleet_data import ROUTER_HOST
from rackwright.desired.gateway_places import FLEET, LUA, SECRETS, SOCKET
from rackwright.desired.gateway_tls import gateway_tls
from rackwright.engines import ENGINES
from rackwright.errors import HostError
from rackwright.plan import Replica, Upstream
from rackwright.planning.names import gateway_names
from rackwright.routers import ROUTERS
from rackwright.runner.firewall import question
from rackwright.runner.fleet import FleetRun
from rackwright.runner.looking import Question, ask_at_once
from rackwright.runner.planned import folders_of, is_loaded, predicted
from rackwright.runner.remote_call import call, of_kind
from rackwright.runner.secrets import secret
from rackwright.spec import ServiceSpec, Settings

MAX_TOKENS = 8
TIMED_TOKENS, TIMED_MOST_S = {True: 64, False: 8}, 15
"""One streamed completion that is timed: of a replica whose speed is predicted, and of another."""
BURST_REQUESTS, BURST_TOKENS, BURST_S = 8, 512, 3
"""What a replica on GPUs is loaded with: so many requests at once, for so long."""
SCRIPTS, LIMIT_S = ("serving", "probe"), 720
"""What is asked of a server, of a gateway the first alone; and how long all of it may take."""
ASKS_A_REPLICA = 2
"""Completions through the gateway for each replica: least_conn alternates between idle ones."""


def observe(fleet: FleetRun, load: bool = True) -> dict[str, Any]:
    """What the current host's replicas, gateway and GPUs answer.

    ``load`` sends a short burst of requests to replicas on GPUs. Raises HostError where the host
    gives no answer.
    """
    scripts = SCRIPTS if fleet.server is not None else SCRIPTS[:1]
    questions: list[Question] = [[SCRIPTS[0], _request(fleet, load)]]
    questions += [[script] for script in scripts[1:]]
    sent_unix_s = time.time()
    said = ask_at_once(host, questions, SCRIPTS, LIMIT_S)
    seen, *more = (_answer(script, one) for script, one in zip(scripts, said, strict=True))
    seen["asked"] = {"sent_unix_s": sent_unix_s, "received_unix_s": time.time()}
    return seen | dict(zip(scripts[1:], more, strict=True))


def _answer(script: str, said: dict[str, Any]) -> dict[str, Any]:
    if "answer" not in said:
        raise HostError(f"{host.name}: {script} failed: {said.get('error')}")
    answer: dict[str, Any] = of_kind(host, script, said["answer"], dict)
    return answer


def observe_replica(
    server: Host, replica: Replica, settings: Settings, load: bool
) -> dict[str, Any]:
    """What one replica answers, and nothing else of its server; its part of ``observe``.

    Raises HostError where the server gives no answer.
    """
    request = {
        "replicas": [_replica_request(replica, settings, load)],
        "gateway": None,
        "firewall": None,
        "folders": [],
    }
    seen: dict[str, Any] = call(server, "serving", request, timeout_s=600, kind=dict)
    return seen


def _request(fleet: FleetRun, load: bool) -> dict[str, Any]:
    settings = fleet.settings(host.name)
    return {
        "replicas": [_replica_request(replica, settings, load) for replica in fleet.replicas],
        "gateway": gateway_request(fleet, settings),
        "firewall": question(fleet.firewall, settings) if fleet.firewall else None,
        "watchdog": _watchdog_request(fleet),
        "network": _network_request(fleet),
        "folders": [folder.path for folder in folders_of(fleet, host.name)],
        "quarantine": paths.watchdog_dir(settings) if fleet.server else None,
    }


def _watchdog_request(fleet: FleetRun) -> dict[str, Any] | None:
    port = fleet.watchdogs.get(host.name)
    if port is None or fleet.server is None:
        return None
    return {"unit": watchdog.UNIT, "address": fleet.server.address, "port": port}


def _network_request(fleet: FleetRun) -> dict[str, Any] | None:
    """Of a server that has ranks of replicas over several."""
    spanning = next((replica for replica in fleet.replicas if replica.span), None)
    if spanning is None:
        return None
    server = spanning.server
    return {"interface": server.network_interface, "address": server.address}


def _replica_request(replica: Replica, settings: Settings, load: bool) -> dict[str, Any]:
    engine, task = ENGINES[replica.service.engine], replica.task
    timed = TIMED_TOKENS[predicted(replica, settings) is not None]
    canary = engine.canary(replica.service, task) if task else None
    return {
        "name": replica.name,
        "unit": paths.unit_name(replica),
        "answers": replica.answers,
        "gathers": replica.kept_together,
        "address": replica.server.address,
        "port": replica.port,
        "served_model_name": replica.service.served_as,
        "environment_path": paths.environment_path(replica, settings),
        "health_path": engine.health_path,
        "models_path": engine.models_path,
        "completions_path": canary.path if canary else engine.completions_path,
        "question": canary.sent if canary else None,
        "version_path": engine.version_path,
        "metrics_path": engine.metrics_path,
        "figures": engine.figures_of(task),
        "timed_options": dict(engine.timed_options),
        "key_variable": engine.key_variable,
        "questions": [list(question) for question in engine.questions(replica)],
        "max_tokens": MAX_TOKENS,
        "delivery": None if task else {"tokens": _tokens(replica, timed), "most_s": TIMED_MOST_S},
        "burst": _burst(replica) if is_loaded(replica, settings, load) else None,
    }


def _burst(replica: Replica) -> dict[str, Any]:
    return {
        "requests": min(BURST_REQUESTS, replica.most_requests),
        "tokens": _tokens(replica, BURST_TOKENS),
        "most_s": BURST_S,
        "gpus": replica.gpus,
    }


def _tokens(replica: Replica, wanted: int) -> int:
    """As many as fit into the longest request, beside the question."""
    return max(1, min(wanted, replica.limits.max_model_len // 2))


def gateway_request(fleet: FleetRun, settings: Settings) -> dict[str, Any] | None:
    """What to ask of the current host as a gateway; None where it is none."""
    gateway = fleet.gateway
    if gateway is None:
        return None
    names = gateway_names(gateway, fleet.spec.services.values())
    tls = gateway_tls(gateway, settings, names)
    source = settings.gateway_key_env if gateway.ask_keys else settings.engine_api_key_env
    key = secret("key", source).get("key", "")
    alone = len(fleet.plan.upstreams) == 1
    services = [
        {
            "name": upstream.service.name,
            "prefix": "" if alone else f"/{upstream.service.name}",
            "served_model_name": upstream.service.served_as,
            **_canary_of(upstream),
            "completions": ASKS_A_REPLICA * len(upstream.replicas),
            "key": key,
            "router": _router_request(fleet, upstream.service),
        }
        for upstream in fleet.plan.upstreams
    ]
    return {
        "server_name": gateway.server_name,
        "port": gateway.port,
        "host_names": list(names),
        "certificate": tls.made_here,
        "certificate_file": tls.certificate,
        "names": named_addresses(fleet.plan.upstreams),
        "loads": [LUA, SECRETS],
        "fleet_path": FLEET,
        "socket": SOCKET,
        "services": services,
        "failover": _failover_request(fleet),
    }


def _canary_of(upstream: Upstream) -> dict[str, Any]:
    """What to ask of a service whose model does not write; nothing of others."""
    (first, *_) = upstream.replicas
    if first.task is None:
        return {}
    canary = ENGINES[upstream.service.engine].canary(upstream.service, first.task)
    return {"path": canary.path, "question": canary.sent}


def _router_request(fleet: FleetRun, service: ServiceSpec) -> dict[str, Any] | None:
    """What to ask of a service's router on the current host; None where it has none."""
    router = next((one for one in fleet.routers if one.service.name == service.name), None)
    if router is None:
        return None
    return {
        "unit": paths.router_unit(router),
        "host": ROUTER_HOST,
        "port": router.port,
        "readiness_path": ROUTERS[router.kind].readiness_path,
    }


def _failover_request(fleet: FleetRun) -> dict[str, Any] | None:
    """What to ask of a gateway that clients see as one with others."""
    failover = fleet.spec.failover
    if failover is None or host.name not in failover.gateways:
        return None
    return {
        "unit": UNIT if failover.shares else None,
        "addresses": list(failover.addresses),
        "names": [record.name for record in fleet.plan.records],
    }

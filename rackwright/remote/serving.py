"""On the host: what its replicas and its gateway do when they are asked. Judges nothing.

Everything is read twice over: what the process says (HTTP) and what the system says of the process
(systemd, /proc), because a stale server on the port answers /health too.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from rackwright.remote import firewall
from rackwright.remote.host.disks import disks
from rackwright.remote.host.network import network
from rackwright.remote.host.processes import uptime_s
from rackwright.remote.host.quarantine import quarantine
from rackwright.remote.served.burst import burst
from rackwright.remote.served.failover import failover
from rackwright.remote.served.gateway import gateway
from rackwright.remote.served.http import completion_of
from rackwright.remote.served.replica import authorization, replica
from rackwright.remote.served.watchdog import watchdog

ONLY_LOOKS = True

Values = dict[str, Any]


def main(request: Values) -> Values:
    """All that ``runner/observing.py`` asks for; ``quarantine`` is the folder of the watchdog.

    Replicas are asked side by side: one that hangs must not use up the time of the others. The
    host's clock is read last, and how long all of it took is told, for a fair comparison.
    """
    started_s, asked = time.monotonic(), request["replicas"]
    with ThreadPoolExecutor(max_workers=16) as side_by_side:
        answers = list(side_by_side.map(replica, asked))
    replicas = {one["name"]: answers[index] for index, one in enumerate(asked)}
    _bursts(asked, replicas)
    return {
        "replicas": replicas,
        "gateway": gateway(request["gateway"]) if request["gateway"] else None,
        "firewall": firewall.observe(request["firewall"]) if request.get("firewall") else None,
        "failover": failover(request["gateway"]),
        "watchdog": watchdog(request["watchdog"]) if request.get("watchdog") else None,
        "network": network(request["network"]) if request.get("network") else None,
        "disks": disks(request["folders"]),
        **({"quarantine": quarantine(request["quarantine"])} if request.get("quarantine") else {}),
        "uptime_s": uptime_s(),
        "elapsed_s": time.monotonic() - started_s,
        "time_unix_s": time.time(),
    }


def _bursts(replicas: list[Values], seen: dict[str, Values]) -> None:
    """A burst to each replica that is to have one and completes requests; kept in ``seen``."""
    sent = []
    for asked in replicas:
        delivery = seen[asked["name"]].get("delivery")
        if asked.get("burst") and delivery and "error" not in delivery:
            group = seen[asked["name"]]["unit"].get("ControlGroup")
            sent.append(_burst_request(asked, group, int(delivery["others"] or 0)))
    for name, reply in burst(sent).items() if sent else ():
        seen[name]["burst"] = reply


def _burst_request(asked: Values, group: str | None, others: int) -> Values:
    wanted = asked["burst"]
    question = completion_of(asked["served_model_name"], wanted["tokens"])
    return {
        **wanted,
        "name": asked["name"],
        "address": asked["address"],
        "port": asked["port"],
        "control_group": group,
        "path": asked["completions_path"],
        "headers": authorization(asked["environment_path"], asked["key_variable"]),
        "body": {**question, **asked["timed_options"]},
        "requests": max(0, wanted["requests"] - others),
        "others": others,
    }

"""On the host: what its replicas and its gateway do when they are asked. Judges nothing.

Everything is read twice over: what the process says (HTTP) and what the system says of the process
(systemd, /proc), because a stale server on the port answers /health too.
"""

from __future__ import annotations

import json
import re
import socket
import ssl
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from typing import Any

from rackwright.remote.burst import burst
from rackwright.remote.metrics import figures
from rackwright.remote.nginx import configuration, loaded_unix_s
from rackwright.remote.streaming import stream
from rackwright.remote.system import disks, listeners, open_files, unit

HEALTH_TIMEOUT_S = 10
COMPLETION_TIMEOUT_S = 120
MOST_BYTES = 1 << 20
"""Of an answer; whoever is on the port may send without end."""

Values = dict[str, Any]


def http(
    connection: HTTPConnection,
    method: str,
    path: str,
    body: Values | None = None,
    headers: dict[str, str] | None = None,
    read: Callable[[str], Any] | None = None,
) -> Values:
    """One request: status, what ``read`` (JSON, or text) makes of it, seconds; or the error."""
    started = time.monotonic()
    try:
        payload = json.dumps(body) if body is not None else None
        sent = {"Content-Type": "application/json", **(headers or {})}
        connection.request(method, path, payload, sent)
        answer = connection.getresponse()
        text = answer.read(MOST_BYTES).decode(errors="replace")
        replica = answer.headers.get("X-Rackwright-Replica")
    except (OSError, HTTPException) as error:
        return {"error": f"{type(error).__name__}: {error}"}
    except ValueError as error:  # its words may hold the key, as in a header that cannot be sent
        return {"error": f"{type(error).__name__} in the request or its answer"}
    finally:
        connection.close()
    seconds = round(time.monotonic() - started, 3)
    return {
        "status": answer.status,
        "body": (read or _json)(text),
        "replica": replica,
        "seconds": seconds,
    }


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text[:500]


def _question(model: str, max_tokens: int) -> Values:
    return {
        "model": model,
        "messages": [{"role": "user", "content": "Answer in one word: what colour is the sky?"}],
        "max_tokens": max_tokens,
        "temperature": 0,
    }


def _authorization(path: str | None, variable: str | None) -> dict[str, str]:
    """The API key a replica was given, read from its own environment file."""
    if not variable or not path or not Path(path).exists():
        return {}
    for line in Path(path).read_text().splitlines():
        if line.startswith(f"{variable}="):
            return _bearer(_unquote(line.split("=", 1)[1]))
    return {}


def _unquote(text: str) -> str:
    """The value that ``desired.render.environment_quote`` quoted."""
    return re.sub(r"\\(.)", r"\1", text[1:-1])


def _bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"} if key else {}


def replica(asked: Values) -> Values:
    """Everything about one replica: unit, listeners, and what it answers to requests.

    Of a later server of a replica that spans several only the unit: the first answers for it.
    """
    seen: Values = {"unit": unit(asked["unit"])}
    seen["open_files"] = open_files(int(seen["unit"].get("MainPID") or 0))
    if not asked.get("answers", True):
        return seen
    key = _authorization(asked["environment_path"], asked["key_variable"])
    return {**seen, "listeners": listeners(asked["port"]), **_answers(asked, key)}


def _answers(asked: Values, key: dict[str, str]) -> Values:
    """Health, models, version, metrics and real completions; null for what it does not offer."""

    def ask(method: str, path: str, body: Values | None = None) -> Values | None:
        timeout_s = COMPLETION_TIMEOUT_S if body else HEALTH_TIMEOUT_S
        connection = HTTPConnection(asked["address"], asked["port"], timeout=timeout_s)
        return http(connection, method, asked[path], body, key) if asked.get(path) else None

    question = _question(asked["served_model_name"], asked["max_tokens"])
    seen = {
        "health": ask("GET", "health_path"),
        "models": ask("GET", "models_path"),
        "version": ask("GET", "version_path"),
        "completion": ask("POST", "completions_path", question),
        "metrics": _metrics(asked, key),
    }
    seen["answers"] = {
        name: _ask_besides(asked, key, path, body) for name, path, body in asked["questions"]
    }
    works = (seen["completion"] or {}).get("status") == 200
    return {**seen, "delivery": _delivery(asked, key, seen["metrics"]) if works else None}


def _ask_besides(asked: Values, key: dict[str, str], path: str, body: Values | None) -> Values:
    """What an engine wants to be asked beside the rest: what it holds once it answered."""
    connection = HTTPConnection(asked["address"], asked["port"], timeout=HEALTH_TIMEOUT_S)
    return http(connection, "GET" if body is None else "POST", path, body, key)


def _metrics(asked: Values, key: dict[str, str]) -> Values | None:
    """The figures that are wanted of the engine's metrics; null for an engine without metrics."""
    if not asked.get("metrics_path"):
        return None
    connection = HTTPConnection(asked["address"], asked["port"], timeout=HEALTH_TIMEOUT_S)
    wanted = asked["figures"]
    return http(
        connection, "GET", asked["metrics_path"], None, key, lambda text: figures(text, wanted)
    )


def _delivery(asked: Values, key: dict[str, str], before: Values | None) -> Values:
    """A streamed completion, and how many other requests ran before or after it (or null)."""
    timed = asked["delivery"]
    connection = HTTPConnection(asked["address"], asked["port"], timeout=timed["most_s"])
    body = {**_question(asked["served_model_name"], timed["tokens"]), **asked["timed_options"]}
    seen = stream(connection, asked["completions_path"], body, key, timed["most_s"])
    return {**seen, "others": _running(before, _metrics(asked, key))}


def _running(*seen: Values | None) -> float | None:
    bodies = [(each or {}).get("body") for each in seen]
    found = [body.get("requests_running") for body in bodies if isinstance(body, dict)]
    counted = [running for running in found if running is not None]
    return max(counted, default=None)


def _bursts(replicas: list[Values], seen: dict[str, Values]) -> None:
    """A burst to each replica that is to have one and completes requests; kept in ``seen``."""
    sent = []
    for asked in replicas:
        delivery = seen[asked["name"]].get("delivery")
        if asked.get("burst") and delivery and "error" not in delivery:
            sent.append(_burst_request(asked, int(delivery["others"] or 0)))
    for name, reply in burst(sent).items() if sent else ():
        seen[name]["burst"] = reply


def _burst_request(asked: Values, others: int) -> Values:
    wanted = asked["burst"]
    question = _question(asked["served_model_name"], wanted["tokens"])
    return {
        **wanted,
        "name": asked["name"],
        "address": asked["address"],
        "port": asked["port"],
        "path": asked["completions_path"],
        "headers": _authorization(asked["environment_path"], asked["key_variable"]),
        "body": {**question, **asked["timed_options"]},
        "requests": max(0, wanted["requests"] - others),
        "others": others,
    }


def gateway(asked: Values) -> Values:
    """The gateway as a client would see it, from its own host: nginx, TLS, models, completions."""
    services = {service["name"]: _service(asked, service) for service in asked["services"]}
    nginx = unit("nginx.service")
    return {
        "unit": nginx,
        "configuration": configuration(),
        "loaded_unix_s": loaded_unix_s(int(nginx.get("MainPID") or 0)),
        "services": services,
        "closed_path": _gateway_call(asked, "GET", "/metrics"),
    }


def _service(asked: Values, service: Values) -> Values:
    """Models and completions; the first completion that fails is the last that is asked for."""
    key, prefix = _bearer(service["key"]), service["prefix"]
    question, completions = _question(service["served_model_name"], 8), []
    for _ in range(service["completions"]):
        path = f"{prefix}/v1/chat/completions"
        completions.append(_gateway_call(asked, "POST", path, question, key))
        if completions[-1].get("status") != 200:
            break
    models = _gateway_call(asked, "GET", f"{prefix}/v1/models", None, key)
    return {"models": models, "completions": completions}


def _gateway_call(
    asked: Values,
    method: str,
    path: str,
    body: Values | None = None,
    headers: dict[str, str] | None = None,
) -> Values:
    """Over TLS to this host, by the name the certificate is for; trust is judged separately."""
    try:
        trust = _trust(asked["certificate"])
    except OSError as error:
        return {"error": f"{asked['certificate']}: {error}"}
    connection = _LoopbackConnection(asked["server_name"], asked["port"], trust)
    return http(connection, method, path, body, headers)


@cache
def _trust(certificate: str | None) -> ssl.SSLContext:
    """What the host trusts, and the certificate that was made here; slow to read."""
    trust = ssl.create_default_context()
    if certificate:
        trust.load_verify_locations(certificate)
    return trust


class _LoopbackConnection(HTTPSConnection):
    """HTTPS to the loopback address, with the server's name for SNI, Host and verification."""

    def __init__(self, name: str, port: int, trust: ssl.SSLContext) -> None:
        super().__init__(name, port, timeout=COMPLETION_TIMEOUT_S, context=trust)
        self._trust = trust

    def connect(self) -> None:
        raw = socket.create_connection(("127.0.0.1", self.port), self.timeout)
        self.sock = self._trust.wrap_socket(raw, server_hostname=self.host)


def main(request: Values) -> Values:
    """``replicas``, ``gateway`` (or None) and ``folders`` as ``runner/verify.py`` asks.

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
        "disks": disks(request["folders"]),
        "uptime_s": float(Path("/proc/uptime").read_text().split()[0]),
        "elapsed_s": time.monotonic() - started_s,
        "time_unix_s": time.time(),
    }

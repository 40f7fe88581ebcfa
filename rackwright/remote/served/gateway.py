"""The gateway of a host, as a client would see it."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from hashlib import sha256
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path
from typing import Any

from rackwright.remote.host.gateway_socket import ask
from rackwright.remote.host.names import looked_up
from rackwright.remote.host.nginx import configuration, loaded_unix_s, worker_open_files
from rackwright.remote.host.systemd import service_unit
from rackwright.remote.served.certificate import served_certificate
from rackwright.remote.served.http import COMPLETION_TIMEOUT_S, bearer, completion_of, http

MOST_AT_ONCE, TOGETHER_S = 128, 2.0
ROUTER_TIMEOUT_S = 10

Values = dict[str, Any]


def gateway(asked: Values) -> Values:
    """The gateway as a client would see it, from its own host: nginx, TLS, models, completions."""
    services = {one["name"]: service(asked, one) for one in asked["services"]}
    nginx = service_unit("nginx.service")
    master = int(nginx.get("MainPID") or 0)
    return {
        "unit": nginx,
        "configuration": configuration(asked["loads"]),
        "data": _data(asked["fleet_path"]),
        "live": _live(asked["socket"]),
        "loaded_unix_s": loaded_unix_s(master),
        "worker_open_files": worker_open_files(master),
        "names": looked_up(asked["names"]),
        "services": services,
        "routers": {one["name"]: router(one["router"]) for one in asked["services"]},
        "certificate": served_certificate(asked),
        "closed_path": gateway_call(asked, "GET", "/metrics"),
    }


def _data(path: str) -> Values:
    """Digest of the gateway's data as they lie there, and its services; ``error`` without them."""
    try:
        content = Path(path).read_bytes()
        return {"sha256": sha256(content).hexdigest(), "services": json.loads(content)["services"]}
    except (OSError, ValueError, LookupError, TypeError) as error:
        return {"error": f"{path} cannot be read ({type(error).__name__})"}


def _live(socket_path: str) -> Values:
    """What the gateway says of itself; ``error`` where it says nothing."""
    try:
        status, state = ask(socket_path, "GET", "/state")
    except OSError as error:
        return {"error": f"{socket_path}: {error}"}
    if status != 200 or not isinstance(state, dict):
        return {"error": f"{socket_path} answers {status}: {str(state)[:200]}"}
    return state


def service(asked: Values, wanted: Values) -> Values:
    """Models and completions; where the first of those fails, no other is asked for."""
    key, prefix = bearer(wanted["key"]), wanted["prefix"]
    question = wanted.get("question") or completion_of(wanted["served_model_name"], 8)
    path = wanted.get("path") or "/v1/chat/completions"
    call = (asked, "POST", f"{prefix}{path}", question, key)
    completions = [gateway_call(*call)]
    if completions[0].get("status") == 200:
        completions += _at_once(wanted["completions"] - 1, call)
    models = gateway_call(asked, "GET", f"{prefix}/v1/models", None, key)
    return {"models": models, "completions": completions}


def router(asked: Values | None) -> Values:
    """What systemd says of a service's router, and it of itself; nothing where there is none."""
    if asked is None:
        return {}
    connection = HTTPConnection(asked["host"], asked["port"], timeout=ROUTER_TIMEOUT_S)
    return {
        "unit": service_unit(asked["unit"]),
        "readiness": http(connection, "GET", asked["readiness_path"]),
    }


def _at_once(count: int, call: tuple[Any, ...]) -> list[Values]:
    """The same request so many times, all of them under way together.

    The gateway then sends each to the least busy replica, so that every one gets some: of requests
    one after another each could go to the first of those that are idle.
    """
    if count < 1:
        return []
    ready = threading.Barrier(min(count, MOST_AT_ONCE))
    with ThreadPoolExecutor(max_workers=ready.parties) as side_by_side:
        calls = [side_by_side.submit(_when_all_are, ready, call) for _ in range(count)]
        return [one.result() for one in calls]


def _when_all_are(ready: threading.Barrier, call: tuple[Any, ...]) -> Values:
    with suppress(threading.BrokenBarrierError):  # the last of many, or one that came late
        ready.wait(TOGETHER_S)
    return gateway_call(*call)


def gateway_call(
    asked: Values,
    method: str,
    path: str,
    body: Values | str | None = None,
    headers: dict[str, str] | None = None,
) -> Values:
    """Over TLS to this host, by the name the certificate is for; trust is judged separately."""
    try:
        trust = _trust(asked["certificate"])
    except OSError as error:
        return {"error": f"{asked['certificate']}: {error}"}
    name, port = asked["server_name"], asked["port"]
    connection = GatewayConnection(name, port, trust, "127.0.0.1", COMPLETION_TIMEOUT_S)
    return http(connection, method, path, body, headers)


@cache
def _trust(certificate: str | None) -> ssl.SSLContext:
    """What the host trusts, and the certificate that was made here; slow to read."""
    trust = ssl.create_default_context()
    if certificate:
        trust.load_verify_locations(certificate)
    return trust


class GatewayConnection(HTTPSConnection):
    """HTTPS to an address, with the server's name for SNI, Host and verification."""

    def __init__(
        self, name: str, port: int, trust: ssl.SSLContext, address: str, timeout_s: int
    ) -> None:
        """``timeout_s`` is for all of a request; ``address`` may be another than the name's."""
        super().__init__(name, port, timeout=timeout_s, context=trust)
        self._trust, self._address = trust, address

    def connect(self) -> None:
        """To the address, then TLS in the server's name."""
        raw = socket.create_connection((self._address, self.port), self.timeout)
        self.sock = self._trust.wrap_socket(raw, server_hostname=self.host)

"""The gateway of a host, as a client would see it."""

from __future__ import annotations

import socket
import ssl
from functools import cache
from http.client import HTTPSConnection
from typing import Any

from rackwright.remote.host.names import looked_up
from rackwright.remote.host.nginx import configuration, loaded_unix_s, worker_open_files
from rackwright.remote.host.systemd import service_unit
from rackwright.remote.served.http import COMPLETION_TIMEOUT_S, bearer, completion_of, http

Values = dict[str, Any]


def gateway(asked: Values) -> Values:
    """The gateway as a client would see it, from its own host: nginx, TLS, models, completions."""
    services = {one["name"]: service(asked, one) for one in asked["services"]}
    nginx = service_unit("nginx.service")
    master = int(nginx.get("MainPID") or 0)
    return {
        "unit": nginx,
        "configuration": configuration(),
        "loaded_unix_s": loaded_unix_s(master),
        "worker_open_files": worker_open_files(master),
        "names": looked_up(asked["names"]),
        "services": services,
        "closed_path": gateway_call(asked, "GET", "/metrics"),
    }


def service(asked: Values, wanted: Values) -> Values:
    """Models and completions; the first completion that fails is the last that is asked for."""
    key, prefix = bearer(wanted["key"]), wanted["prefix"]
    question, completions = completion_of(wanted["served_model_name"], 8), []
    for _ in range(wanted["completions"]):
        path = f"{prefix}/v1/chat/completions"
        completions.append(gateway_call(asked, "POST", path, question, key))
        if completions[-1].get("status") != 200:
            break
    models = gateway_call(asked, "GET", f"{prefix}/v1/models", None, key)
    return {"models": models, "completions": completions}


def gateway_call(
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

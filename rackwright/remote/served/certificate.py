"""The certificate that a gateway serves, the one on its disk, and who renews it."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path
from typing import Any

from rackwright.remote.host.certificates import certificate, certificate_in, is_for
from rackwright.remote.host.systemd import show

HANDSHAKE_S = 10
TIMER = "certbot.timer"

Values = dict[str, Any]


def served_certificate(asked: Values) -> Values:
    """What a client is shown that calls the gateway by its name, and the names that it is not for.

    ``on_disk`` is what the next reload would serve; ``timer`` and ``last_run`` are of certbot.
    """
    try:
        pem = _shown(asked["server_name"], asked["port"])
        found = certificate(pem)
        not_for = [name for name in asked["host_names"] if not is_for(name, pem)]
    except OSError as error:
        return {"error": f"{type(error).__name__}: {error}"[:300]}
    on_disk = _serial_in(asked["certificate_file"])
    return {**found, "not_for": not_for, "on_disk": on_disk, **_renewer()}


def _shown(name: str, port: int) -> str:
    """As PEM, whoever signed it: trust is judged by the calls."""
    trust = ssl.create_default_context()
    trust.check_hostname, trust.verify_mode = False, ssl.CERT_NONE
    with (
        socket.create_connection(("127.0.0.1", port), HANDSHAKE_S) as raw,
        trust.wrap_socket(raw, server_hostname=name) as safe,
    ):
        return ssl.DER_cert_to_PEM_cert(safe.getpeercert(binary_form=True) or b"")


def _serial_in(path: str) -> Values:
    try:
        return {"serial": certificate_in(Path(path))["serial"]}
    except OSError as error:
        return {"error": str(error)[:300]}


def _renewer() -> Values:
    try:
        timer, run = show("ActiveState,Result", TIMER, TIMER.replace(".timer", ".service"))
    except OSError:
        return {}
    return {"timer": timer.get("ActiveState", ""), "last_run": run.get("Result", "")}

"""The watchdog of a host: its unit, and what it says of the replicas."""

from __future__ import annotations

from http.client import HTTPConnection
from typing import Any

from rackwright.remote.guard.peers import PATH
from rackwright.remote.host.systemd import service_unit
from rackwright.remote.served.http import http

ASK_S = 5

Values = dict[str, Any]


def watchdog(asked: Values) -> Values:
    """As a gateway asks it, at the address and port that the plan says."""
    connection = HTTPConnection(asked["address"], asked["port"], timeout=ASK_S)
    return {"unit": service_unit(asked["unit"]), "state": http(connection, "GET", PATH)}

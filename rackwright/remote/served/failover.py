"""A gateway as one of several: keepalived, the addresses, who answers there, where names lead."""

from __future__ import annotations

import ssl
import time
from typing import Any

from rackwright.remote.host.addresses import addresses
from rackwright.remote.host.names import all_addresses
from rackwright.remote.host.systemd import service_unit
from rackwright.remote.served.gateway import GatewayConnection
from rackwright.remote.served.http import bearer, http

ELECTION_S, POLL_S = 20, 0.5
"""Gateways that were just started, or lost one, agree who holds an address in some seconds."""
ANSWER_S = 5

Values = dict[str, Any]


def failover(asked: Values | None) -> Values | None:
    """What is to be known of ``asked["failover"]``; None where the gateway is alone.

    Addresses are read last, once one was found to answer.
    """
    wanted = asked and asked["failover"]
    if not asked or not wanted:
        return None
    deadline_s = time.monotonic() + ELECTION_S
    return {
        "unit": service_unit(wanted["unit"]) if wanted["unit"] else {},
        "answers": {one: _answer(asked, one, deadline_s) for one in wanted["addresses"]},
        "names": {name: all_addresses(name) for name in wanted["names"]},
        "addresses": _own_addresses(),
    }


def _answer(asked: Values, address: str, deadline_s: float) -> Values:
    """What a client is told at a shared address, by whichever gateway holds it."""
    key = bearer(asked["services"][0]["key"]) if asked["services"] else {}
    while True:
        trust = _trust(asked["certificate"])
        name, port = asked["server_name"], asked["port"]
        connection = GatewayConnection(name, port, trust, address, ANSWER_S)
        reply = http(connection, "GET", "/v1/models", None, key)
        if "error" not in reply or time.monotonic() > deadline_s:
            return reply
        time.sleep(POLL_S)


def _trust(own: str | None) -> ssl.SSLContext:
    """What the host trusts. A certificate that a gateway made itself no other gateway knows."""
    trust = ssl.create_default_context()
    if own:
        trust.check_hostname, trust.verify_mode = False, ssl.CERT_NONE
    return trust


def _own_addresses() -> Any:
    try:
        return addresses()
    except OSError as error:
        return {"error": str(error)}

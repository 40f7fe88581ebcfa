"""A replica that gets no new requests is waited for until it has answered those that it has."""

from __future__ import annotations

import time
from collections.abc import Callable

import gevent

from rackwright.runner.steps.gates import Gates
from rackwright.runner.steps.terms import Terms
from rackwright.runner.steps.view import View

POLL_S = 1.0
PATIENCE_S = 20
"""For a turn: another of the service may just be proving itself to the gateways."""


def undrained_s(name: str, service: str, gates: Gates, view: View) -> int:
    """Say that no gateway drains it; seconds until its service's router knows what it is."""
    seconds = gates.router_notices_s(service)
    what = "its service's router goes on sending" if seconds else "none runs that sends"
    view.say(name, f"no gateway drains it: {what} it requests, some may be lost")
    return seconds


def await_what_is_on_its_way(service: str, gates: Gates) -> None:
    """Its service's router may have chosen it for a request that has not reached it yet."""
    if gates.router_notices_s(service):
        gevent.sleep(POLL_S)


def await_idle(name: str, in_flight: Callable[[], int], view: View, terms: Terms) -> None:
    """Wait until it has no requests, ``terms.drain_timeout_s`` at most."""
    deadline = time.monotonic() + terms.drain_timeout_s
    while left := in_flight():
        view.in_flight(name, left)
        if time.monotonic() > deadline:
            words = f"{left} requests have not ended in {terms.drain_timeout_s} s"
            view.say(name, f"{words}: the engine is asked to end them")
            return
        gevent.sleep(POLL_S)
    view.in_flight(name, 0)

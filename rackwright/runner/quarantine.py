"""A server's quarantine, asked for and changed; see ``remote/quarantine.py``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pyinfra.api.host import Host

from rackwright.checks.server.quarantine import quarantine_words
from rackwright.desired.paths import watchdog_dir
from rackwright.errors import HostError, RefusedError, nearest
from rackwright.plan import FleetPlan
from rackwright.runner.remote_call import call
from rackwright.spec import Settings

TIMEOUT_S = 60
BY_HAND = "by hand"


@dataclass(frozen=True)
class Quarantine:
    """One that goes on. ``words`` say since when, by whom, why and with what evidence.

    ``begun``: by this question, it was not there before.
    """

    words: str
    begun: bool = False


def quarantine_of(host: Host, settings: Settings) -> Quarantine | None:
    """The quarantine of a server; None where it is in none. Raises HostError."""
    return _ask(host, settings, do="look")


def begin_quarantine(host: Host, settings: Settings, why: str) -> Quarantine:
    """Put a server into quarantine; one that is in it stays in that. Raises HostError."""
    found = _ask(host, settings, do="begin", why=why, by=BY_HAND)
    if found is None:
        raise HostError(f"{host.name}: it is in no quarantine")
    return found


def keep_quarantine(host: Host, settings: Settings, words: str) -> None:
    """Note why a server did not return. Raises HostError."""
    _ask(host, settings, do="keep", words=words)


def end_quarantine(host: Host, settings: Settings, words: str) -> None:
    """End it, with how the server was proven. Raises HostError."""
    _ask(host, settings, do="end", words=words)


def _ask(host: Host, settings: Settings, **question: Any) -> Quarantine | None:
    request = {"folder": watchdog_dir(settings), **question}
    told = call(host, "quarantine", request, timeout_s=TIMEOUT_S, kind=dict)
    if error := told.get("error"):
        if question["do"] == "look":
            return None
        raise HostError(f"{host.name}: {error}")
    return Quarantine(quarantine_words(told), bool(told.get("begun"))) if told["there"] else None


def must_be_watched(plan: FleetPlan, server: str, settings: Settings | None) -> None:
    """Raise RefusedError for what is no GPU server, or has no watchdog to tell the gateways."""
    if server not in plan.servers or settings is None:
        raise RefusedError(f"server {server!r} {nearest(server, plan.servers)}")
    if settings.watchdog == "off":
        words = f"{server} has no watchdog (watchdog = 'off'), which would tell the gateways"
        raise RefusedError(f"{words}: `rackwright drain INVENTORY {server}` drains its replicas")

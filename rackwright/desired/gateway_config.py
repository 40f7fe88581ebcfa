"""Nginx's configuration of a gateway: what rarely changes. What is decided of requests is data."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol

from rackwright.desired.gateway_answers import gateway_answers
from rackwright.desired.render import render

CIPHERS = tuple(
    f"ECDHE-{key}-{cipher}"
    for cipher in ("AES128-GCM-SHA256", "AES256-GCM-SHA384", "CHACHA20-POLY1305")
    for key in ("ECDSA", "RSA")
)
"""Of TLS 1.2: those that authenticate what they encrypt, with keys of one session (RFC 9325)."""
IDLE_CONNECTIONS = 256
"""To all replicas, kept open by each worker."""


class Places(NamedTuple):
    """Where a gateway has what it runs from: data, live state, socket, certificate, logs, roots."""

    folder: str
    state: str
    socket: str
    certificate: str
    certificate_key: str
    trusted: str
    access_log: str = "/var/log/nginx/rackwright.log"
    error_log: str = "/var/log/nginx/error.log"


class Limits(Protocol):
    """The settings that the configuration has; times are in seconds."""

    @property
    def client_max_body_size(self) -> str:
        """The largest body, as Nginx writes sizes."""
        ...

    @property
    def hsts_max_age_s(self) -> int | None:
        """For how long browsers are to ask by https alone; None says nothing."""
        ...


def gateway_config(
    port: int,
    host_names: Iterable[str],
    places: Places,
    settings: Limits,
    nameservers: Sequence[str] = (),
) -> bytes:
    """The file. The first of ``host_names`` is the one that strangers are told.

    ``nameservers`` look up outside APIs; without any there is no way outside.
    """
    names = list(dict.fromkeys(map(str.lower, host_names)))
    values = {
        "port": port,
        "host_names": names,
        "places": places,
        "settings": settings,
        "resolvers": list(nameservers),
        "answers": list(gateway_answers(names[0])),
        "headers": _headers(settings),
        "ciphers": CIPHERS,
        "idle_connections": IDLE_CONNECTIONS,
    }
    return render("gateway.conf.j2", values)


def _headers(settings: Limits) -> tuple[tuple[str, str], ...]:
    """What every answer says. Where a location says more, Nginx forgets those of the server."""
    said = (("X-Request-ID", "$request_id"),)
    if settings.hsts_max_age_s is None:
        return said
    return (*said, ("Strict-Transport-Security", f'"max-age={settings.hsts_max_age_s}"'))

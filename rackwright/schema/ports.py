"""Ports: which a service, an engine and a gateway may have."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

FIRST_PORT, LAST_PORT = 1024, 65535
Port = Annotated[int, Field(strict=True, ge=1, le=LAST_PORT)]


def _not_taken(port: int) -> int:
    """SSH's port would lock everybody out; Nginx's own site answers plain HTTP on its port."""
    if port in (22, 80):
        raise ValueError("must not be 22 (SSH) or 80 (plain HTTP)")
    return port


def _unprivileged(port: int) -> int:
    if port < FIRST_PORT:
        raise ValueError(f"must be at least {FIRST_PORT}, engines run as a user without lower ones")
    return port


EnginePort = Annotated[Port, AfterValidator(_unprivileged)]
GatewayPort = Annotated[Port, AfterValidator(_not_taken)]

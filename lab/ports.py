"""Ports that tests and benchmarks choose before something listens there."""

from __future__ import annotations

import random
import socket
from contextlib import suppress
from pathlib import Path

from lab.errors import LabError

LOCAL_PORTS = Path("/proc/sys/net/ipv4/ip_local_port_range")
BELOW = 12_000
TRIES = 1000


def free_port(address: str = "127.0.0.1") -> int:
    """A port that nobody has there now, and that the kernel gives nobody who asks for any.

    A port of its own range may be another process's a moment later: of a server, or of a client.
    """
    first = int(LOCAL_PORTS.read_text().split()[0])
    ports = range(max(1024, first - BELOW), first)
    for port in random.SystemRandom().sample(ports, min(TRIES, len(ports))):
        with socket.socket() as probe, suppress(OSError):
            probe.bind((address, port))
            return port
    raise LabError(f"no port of {address} is free below {first}")

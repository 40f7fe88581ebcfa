"""On the host: which of its addresses it takes to reach others."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from contextlib import suppress

from rackwright.remote.host.names import looked_up

ONLY_LOOKS = True
ANY_PORT = 9


def main(targets: Sequence[str]) -> dict[str, str]:
    """By target (address or name) the address it sees us come from; none that there is no way to.

    Nothing is sent: the kernel chooses a route when a socket of UDP is given its other end.
    """
    names, found = looked_up(targets), {}
    for target in targets:
        for address in names[target].get("addresses", [])[:1]:
            with suppress(OSError):
                found[target] = _source(address)
    return found


def _source(address: str) -> str:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as one:
        one.connect((address, ANY_PORT))
        return str(one.getsockname()[0])

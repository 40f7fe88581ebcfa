"""On the host: the addresses of host names, as it knows them."""

from __future__ import annotations

from typing import Any

from rackwright.remote.host.names import looked_up

Values = dict[str, Any]


def main(names: list[str]) -> dict[str, Values]:
    """By name: ``addresses``, or ``error``."""
    return looked_up(names)

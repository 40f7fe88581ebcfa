"""On the host: its IP addresses."""

from __future__ import annotations

from typing import Any

from rackwright.remote.host.addresses import addresses

ONLY_LOOKS = True

Values = dict[str, Any]


def main() -> list[Values]:
    """Each with ``interface``, ``address``, ``prefix_length`` and ``scope``."""
    return addresses()

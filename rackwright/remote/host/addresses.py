"""The IP addresses of a host, by its network interfaces."""

from __future__ import annotations

import json
from typing import Any

from rackwright.remote.host.running import Failed, output

Values = dict[str, Any]


def addresses() -> list[Values]:
    """Each with ``interface``, ``address``, ``prefix_length`` and ``scope``. Raises Failed."""
    try:
        links = json.loads(output("ip", "-json", "address", "show"))
        return [_address(link, one) for link in links for one in link.get("addr_info", ())]
    except (ValueError, LookupError, TypeError) as error:
        raise Failed(f"`ip -json address show` said something else: {error!r}") from None


def _address(link: Values, one: Values) -> Values:
    return {
        "interface": link["ifname"],
        "address": one["local"],
        "prefix_length": one["prefixlen"],
        "scope": one["scope"],
    }

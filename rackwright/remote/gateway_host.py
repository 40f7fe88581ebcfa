"""On a gateway: what only it knows and its configuration needs: system, names, name servers."""

from __future__ import annotations

from typing import Any

from rackwright.remote.host.names import looked_up, nameservers
from rackwright.remote.host.operating_system import os_release

Values = dict[str, Any]


def main(names: list[str]) -> Values:
    """``system`` (os-release(5)), the addresses of ``names``, and ``nameservers``."""
    return {"system": os_release(), "names": looked_up(names), "nameservers": nameservers()}
